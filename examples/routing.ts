/**
 * Routes by host and path. The script's variables (here: `target`) are the memory of a session; each request has a copy
 * of its own, which every callback gets as its last argument.
 *
 *     API=localhost:8081 WEB=localhost:8082 sluice examples/routing.ts
 */

import { algo, Message, os, sluice } from 'sluice'

const router = new algo.URLRouter<string>({
  '/api/*': os.env.API ?? 'localhost:8081',
  'www.example.com/*': os.env.WEB ?? 'localhost:8082',
})

export default sluice({ target: undefined as string | undefined })
  .listen(Number(os.env.PORT ?? 8000))
  .demuxHTTP()
  .to($ =>
    $.handleMessageStart(({ head }, ctx) => {
      ctx.target = router.find(head.headers.host, head.path)
    }).branch(
      ctx => ctx.target !== undefined,
      $ => $.muxHTTP(ctx => ctx.target).to($ => $.connect(ctx => ctx.target as string)),
      $ => $.replaceMessage(new Message({ status: 404 }, 'No route\n')),
    ),
  )
