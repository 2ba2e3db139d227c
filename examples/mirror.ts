/**
 * Tries a new version of a service with real requests: a tenth of the users' requests go to it as well, and what it answers
 * differently is told. Clients notice nothing of it.
 *
 *     TARGET=localhost:8080 CANDIDATE=localhost:8081 sluice examples/mirror.ts
 */

import { os, sluice } from 'sluice'

const target = os.env.TARGET ?? 'localhost:8080'
const candidate = os.env.CANDIDATE ?? 'localhost:8081'

export default sluice()
  .listen(Number(os.env.PORT ?? 8000))
  .demuxHTTP()
  .to($ =>
    $.mirror(candidate, {
      share: Number(os.env.SHARE ?? 0.1),
      by: msg => msg.head.headers['x-user'] ?? msg.head.path,
      when: msg => msg.head.method === 'GET',
      compare: { ignoreHeaders: ['etag'], ignoreBody: ['$.time'] },
      onDifference: ({ path, differences }) => console.log(`${path} differs: ${JSON.stringify(differences)}`),
    })
      .muxHTTP()
      .to($ => $.connect(target)),
  )
