/**
 * TLS for clients, plain HTTP behind: the certificate is read when the script loads, so a reload (SIGHUP) takes a new
 * one. The target is told who the client was.
 *
 *     CERT=cert.pem KEY=key.pem TARGET=localhost:8080 sluice examples/tls-edge.ts
 */

import { os, sluice } from 'sluice'

const target = os.env.TARGET ?? 'localhost:8080'

const read = (path: string): string => {
  const content = os.readFile(path)
  if (content === null)
    throw new Error(`There is no file ${path}: set CERT and KEY to those of your certificate`)
  return content.toString()
}

export default sluice()
  .listen(Number(os.env.PORT ?? 8443), {
    tls: { cert: read(os.env.CERT ?? 'cert.pem'), key: read(os.env.KEY ?? 'key.pem') },
  })
  .demuxHTTP()
  .to($ =>
    $.handleMessageStart(({ head }, { __inbound }) => {
      head.headers['x-forwarded-for'] = __inbound?.remoteAddress
      head.headers['x-forwarded-proto'] = 'https'
    })
      .muxHTTP()
      .to($ => $.connect(target)),
  )
