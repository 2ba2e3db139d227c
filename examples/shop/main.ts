/**
 * A small shop behind Sluice, all in one process:
 *
 *     client ──► :8000 ─┬─ /catalog ──► catalog-1, catalog-2    in turn
 *                       ├─ /cart ─────► cart-1, cart-2          the same one for the same customer
 *                       └─ the rest ──► answered here
 *
 *     copies of all of it ──► log ──► batches of JSON lines ──► collector
 *
 * Run it with `npm start`. The services and the collector stand in for yours: what a proxy needs is the first half.
 */

import { algo, type HTTPRequestHead, type HTTPResponseHead, Message, StreamEnd, sluice } from 'sluice'
import { cart } from './cart.ts'
import { catalog } from './catalog.ts'
import { collector, type LogRecord } from './collector.ts'
import { addresses } from './ports.ts'
import { suggestions, welcome } from './welcome.ts'

const catalogs = new algo.RoundRobinLoadBalancer(addresses.catalog)
const carts = new algo.HashingLoadBalancer(addresses.cart)
const customerOf = (path: string): string | undefined => path.split('/')[2]

/** By path: how to find the instance that a request goes to. */
const router = new algo.URLRouter<(path: string) => string | undefined>({
  '/catalog/*': () => catalogs.select(),
  '/cart/*': path => carts.select(customerOf(path)),
})

const batchSize = 100
const records: LogRecord[] = []

/** All that waits, as the request that brings it to the collector. */
function takeBatch(): Message {
  const lines = records.splice(0).map(record => `${JSON.stringify(record)}\n`)
  const headers = { host: addresses.collector, 'content-type': 'application/x-ndjson' }
  return new Message({ method: 'POST', path: '/', headers }, lines.join(''))
}

export default sluice({
  target: undefined as string | undefined,
  request: undefined as Message<HTTPRequestHead> | undefined,
  receivedAt: 0,
})
  .listen(addresses.shop)
  .demuxHTTP()
  .to($ =>
    $.handleMessageStart(({ head }, ctx) => {
      ctx.receivedAt = Date.now()
      ctx.target = router.find(head.headers.host, head.path)?.(head.path)
    })
      .handleMessage(
        (request, ctx) => {
          ctx.request = request
        },
        { bodyLimit: '64k' },
      )
      .branch(
        ctx => ctx.target !== undefined,
        $ => $.muxHTTP(ctx => ctx.target).to($ => $.connect(ctx => ctx.target as string)),
        $ => $.replaceMessage(welcome),
      )
      .fork()
      .to('log'),
  )

  // Gets a copy of each response, in the context of its request. It never delays the traffic that it copies.
  .pipeline('log')
  .handleMessage((response, ctx) => record(ctx, { response: response as Message<HTTPResponseHead> }), {
    bodyLimit: '64k',
  })
  .handleStreamEnd((end, ctx) => end.error && record(ctx, { error: end.error }))
  .replaceData() // Bodies are in the records now.
  .replaceMessage(() => (records.length < batchSize ? undefined : takeBatch()))
  .link('post')

  // What is not enough for a batch goes after half a second. A tick ends with a StreamEnd.
  .task('500ms')
  .replaceMessage(() => (records.length === 0 ? new StreamEnd() : takeBatch()))
  .link('post')
  .replaceMessage(new StreamEnd())

  .pipeline('post')
  .muxHTTP(() => addresses.collector)
  .to($ => $.connect(addresses.collector))
  .handleStreamEnd(end => end.error && console.error(`The collector did not take a batch: ${end.reason}`))

  // The services behind the shop, two instances of each, and the collector.
  .listen(addresses.catalog[0])
  .serveHTTP(catalog('catalog-1'))
  .listen(addresses.catalog[1])
  .serveHTTP(catalog('catalog-2'))
  .listen(addresses.cart[0])
  .serveHTTP(cart('cart-1'))
  .listen(addresses.cart[1])
  .serveHTTP(cart('cart-2'))
  .listen(addresses.collector)
  .serveHTTP(collector)

  // Once, at the start.
  .task()
  .replaceMessage((_, { __thread }) => {
    if (__thread.id === 0) console.log(`The shop is open. Try:\n  ${suggestions.join('\n  ')}`)
    return new StreamEnd()
  })

/** Writes down one exchange: what was asked, what was answered or went wrong, and how long that took. */
function record(
  ctx: { readonly request: Message<HTTPRequestHead> | undefined; readonly receivedAt: number },
  { response, error }: { response?: Message<HTTPResponseHead>; error?: string },
): void {
  records.push({
    time: new Date(ctx.receivedAt).toISOString(),
    durationMs: Date.now() - ctx.receivedAt,
    request: ctx.request && { head: ctx.request.head, body: ctx.request.body?.toString() },
    response: response && { head: response.head, body: response.body?.toString() },
    error,
  })
}
