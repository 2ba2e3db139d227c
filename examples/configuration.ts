/**
 * Reads what it does from a file: which paths go where. After a change, `kill -HUP` takes the new configuration over
 * without losing a connection; one that cannot be used leaves the old one running.
 *
 *     CONFIG=examples/configuration.json sluice examples/configuration.ts
 */

import { algo, JSON, Message, os, sluice } from 'sluice'

interface Configuration {
  readonly routes: Record<string, string>
  readonly connectTimeout?: string
}

const file = os.env.CONFIG ?? new URL('./configuration.json', import.meta.url).pathname
const content = os.readFile(file)
if (content === null) throw new Error(`there is no ${file}`)
const { routes, connectTimeout = '3s' } = JSON.decode(content) as Configuration
const router = new algo.URLRouter<string>(routes)

export default sluice({ target: '' })
  .listen(Number(os.env.PORT ?? 8000))
  .demuxHTTP()
  .to($ =>
    $.handleMessageStart(({ head }, ctx) => {
      ctx.target = router.find(head.headers.host, head.path) ?? ''
    }).branch(
      ctx => ctx.target !== '',
      $ => $.muxHTTP(ctx => ctx.target).to($ => $.connect(ctx => ctx.target, { connectTimeout })),
      $ => $.replaceMessage(new Message({ status: 404 }, 'No route\n')),
    ),
  )
