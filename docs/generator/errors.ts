import { violations } from '../../runtime/codec/http1/violations.ts'
import { faults } from '../../runtime/errors.ts'
import { name, page, table } from './markdown.ts'

export function errorsPage(): string {
  return page(
    'Errors',
    "Every way in which traffic can fail. The code is stable: scripts compare it (`end.error === 'ConnectionRefused'`), log lines carry it as `code`. " +
      'The status answers an HTTP request that failed this way; its `Proxy-Status` field (RFC 9209) has `sluice; error=…`, so that a client can tell the proxy’s answers from those of the service.',
    table(
      [
        'code',
        'what happened',
        'who has to act',
        'status',
        'Proxy-Status error',
        'may be tried again',
        'what to do',
      ],
      Object.entries(faults).map(([code, fault]) => [
        name(code),
        fault.summary,
        fault.source,
        String(fault.status),
        name(fault.proxyError),
        { never: 'no', idempotent: 'if it is idempotent', 'fresh-connection': 'yes' }[fault.retry],
        fault.cure,
      ]),
    ),
    '`downstream` is the client, `upstream` the service behind.',
  )
}

export function httpRulesPage(): string {
  return page(
    'Rules of HTTP/1.1',
    'Every rule that a peer can break. A request that breaks one is answered with the status and the connection is closed; nothing of the request goes to the service. A response that breaks one is not forwarded: the client gets 502. ' +
      'The point of being strict: bytes that two servers could read differently are how one client’s request becomes part of another’s (RFC 9112 §11.2).',
    table(
      ['rule', 'status', 'broken when'],
      Object.values(violations).map(({ id, status, reason }) => [name(id), String(status), reason]),
    ),
  )
}
