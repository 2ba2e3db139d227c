/**
 * One port for HTTP and HTTPS. `detectProtocol` looks at how a stream begins while its events wait, `acceptTLS` takes
 * TLS out of it inside of a pipeline: the certificate is chosen by the name that the client asks for, and the plain
 * stream goes on to the same pipeline as the others.
 *
 *     CERTS=./certs TARGET=localhost:8080 sluice examples/tls-in-pipeline.ts     (certs/localhost.crt, certs/localhost.key, …)
 *     curl -k https://localhost:8443     curl http://localhost:8443
 */

import { os, sluice } from 'sluice'

const target = os.env.TARGET ?? 'localhost:8080'
const folder = os.env.CERTS ?? 'certs'

const certificateFor = (name = 'localhost') => {
  const cert = os.readFile(`${folder}/${name}.crt`)
  const key = os.readFile(`${folder}/${name}.key`)
  return cert === null || key === null ? undefined : { cert, key }
}

export default sluice({ scheme: 'http' })
  .listen(Number(os.env.PORT ?? 8443))
  .detectProtocol((protocol, ctx) => {
    if (protocol === 'TLS') ctx.scheme = 'https'
  })
  .branch(
    ctx => ctx.scheme === 'https',
    $ => $.acceptTLS({ certificate: certificateFor, alpn: ['http/1.1'] }).to('web'),
    'web',
  )
  .pipeline('web')
  .demuxHTTP()
  .to($ =>
    $.handleMessageStart(({ head }, ctx) => {
      head.headers['x-forwarded-proto'] = ctx.scheme
    })
      .muxHTTP()
      .to($ => $.connect(target)),
  )
