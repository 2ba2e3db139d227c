/**
 * A forward proxy that speaks SOCKS and HTTP tunnels on one port. The first bytes tell which; either way the script is
 * asked where the client wants to go, and says whether it may. What passes then are bytes.
 *
 *     PORTS=80,443 sluice examples/socks-and-tunnels.ts
 *     curl -x socks5h://localhost:1080 https://example.com     curl -x http://localhost:1080 https://example.com
 */

import { Message, os, sluice } from 'sluice'

const allowed = new Set((os.env.PORTS ?? '80,443').split(',').map(Number))

export default sluice({ protocol: '', target: '' })
  .listen(Number(os.env.PORT ?? 1080))
  .detectProtocol((protocol, ctx) => {
    ctx.protocol = protocol
  })
  .branch(
    ctx => ctx.protocol === 'HTTP',
    $ =>
      $.acceptHTTPTunnel(({ head }, ctx) => {
        ctx.target = head.path
        const port = Number(head.path.split(':').at(-1))
        if (head.method !== 'CONNECT') return new Message({ status: 405, headers: { allow: 'CONNECT' } })
        return allowed.has(port) ? undefined : new Message({ status: 403 }, 'Not there\n')
      }).to('out'),
    $ =>
      $.acceptSOCKS(({ ip, domain, port }, ctx) => {
        ctx.target = ip?.includes(':') ? `[${ip}]:${port}` : `${domain ?? ip}:${port}`
        return allowed.has(port)
      }).to('out'),
  )
  .pipeline('out')
  .connect(ctx => ctx.target, { connectTimeout: '5s' })
