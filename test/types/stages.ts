/**
 * What must not compile, and what types callbacks get. `tsc --noEmit` is the test: a line that is expected to be an
 * error and is none is an error. Nothing here is run.
 */

import {
  Data,
  type HTTPRequestHead,
  type HTTPResponseHead,
  type Inbound,
  Message,
  MessageStart,
  type StreamEnd,
  sluice,
} from 'sluice'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Compiles when the two are the same type. */
const same = <A, B>(proof: Same<A, B>): void => void proof

const script = sluice({ target: undefined as string | undefined, count: 0 })
const http = script.listen(8000).demuxHTTP()
const mux = script.task().muxHTTP()
type Variables = { target: string | undefined; count: number }

// Routes

script.listen(8000).demuxHTTP({
  route: ({ path }, ctx) => {
    same<typeof path, string>(true)
    same<typeof ctx.count, number>(true)
    return ctx.target
  },
})
// @ts-expect-error a route is a text
script.listen(8000).serveHTTP(new Message('hi'), { route: () => 7 })

// Bytes and messages

// @ts-expect-error there are bytes behind listen
script.listen(8000).replaceMessage(new Message('hi'))
// @ts-expect-error there are bytes behind listen
script.listen(8000).handleMessageStart(() => {})
// @ts-expect-error there are bytes behind listen
script.listen(8000).muxHTTP()
// @ts-expect-error there are bytes behind listen
script.listen(8000).encodeHTTPResponse()
// @ts-expect-error there are messages inside of demuxHTTP
http.to($ => $.serveHTTP(new Message('hi')))
// @ts-expect-error there are messages inside of demuxHTTP
http.to($ => $.connect('localhost:80'))
// @ts-expect-error there are messages behind the decoder
script.listen(8000).decodeHTTPRequest().connect('localhost:80')
// @ts-expect-error there are bytes behind serveHTTP
script.listen(8000).serveHTTP(new Message('hi')).replaceMessage(new Message('hi'))
// @ts-expect-error there are bytes inside of muxHTTP
mux.to($ => $.replaceMessage(new Message('hi')))
// @ts-expect-error task gives messages
script.task().connect('localhost:80')

script
  .listen(8000)
  .decodeHTTPRequest()
  .replaceMessage(new Message('hi'))
  .encodeHTTPResponse()
  .connect('localhost:80')
script
  .listen(8000)
  .fork()
  .to($ => $.connect('localhost:80'))
  .connect('localhost:81')
script.pipeline('either').connect('localhost:80')
script.pipeline('either').replaceMessage(new Message('hi'))

// Sub-pipelines

// @ts-expect-error demuxHTTP wants its sub-pipeline first
script.listen(8000).demuxHTTP().connect('localhost:80')
// @ts-expect-error a sub-pipeline gives back what it wrote
http.to($ => void $.muxHTTP())
// @ts-expect-error a sub-pipeline begins no other pipeline
http.to($ => $.listen(8001))
// @ts-expect-error connect has no sub-pipeline
script.listen(8000).connect('localhost:80').to('other')
script.listen(8000).demuxHTTP().to('by name').listen(8001)

// Heads

script
  .listen(8000)
  .demuxHTTP()
  .to($ =>
    $.handleMessageStart((start, ctx) => {
      same<typeof start, MessageStart<HTTPRequestHead>>(true)
      same<typeof start.head.path, string>(true)
      // @ts-expect-error a request has no status
      void start.head.status
      ctx.count++
    })
      .muxHTTP(ctx => ctx.target)
      .to($ => $.connect(ctx => ctx.target ?? 'localhost:80'))
      .handleMessageStart(start => {
        same<typeof start, MessageStart<HTTPResponseHead>>(true)
        same<typeof start.head.status, number>(true)
        // @ts-expect-error a response has no path
        void start.head.path
      })
      .handleMessage(message => same<typeof message, Message<HTTPResponseHead>>(true))
      .handleMessageBody(body => same<typeof body, Data>(true)),
  )

script.listen(8000).serveHTTP((request, ctx) => {
  same<typeof request, Message<HTTPRequestHead>>(true)
  same<typeof request.body, Data | undefined>(true)
  same<typeof ctx.target, string | undefined>(true)
  return new Message({ status: 200 }, request.head.path)
})
// @ts-expect-error a handler gives a Message
script.listen(8000).serveHTTP(() => 'hi')
script.listen(8000).serveHTTP(async () => new Message('hi'))

// The context comes last, and has the variables and the built-in ones

script
  .listen(8000)
  .handleStreamStart((_, ctx) => {
    same<typeof ctx.__inbound, Inbound | undefined>(true)
    same<typeof ctx.__thread.id, number>(true)
    same<typeof ctx.__filename, string>(true)
    // @ts-expect-error no such variable
    void ctx.traget
    // @ts-expect-error a variable keeps its type
    ctx.count = 'many'
    // @ts-expect-error built-in variables are not to be set
    ctx.__filename = 'other'
  })
  .handleStreamEnd((end, ctx) => {
    same<typeof end, StreamEnd>(true)
    same<keyof typeof ctx & keyof Variables, keyof Variables>(true)
  })
  .connect(ctx => ctx.target ?? 'localhost:80')
// @ts-expect-error a target is text
script.listen(8000).connect(ctx => ctx.count)
script.listen(8000).connect(async () => 'localhost:80')
// @ts-expect-error conditions get the context
script.pipeline('a').wait(ctx => ctx.traget)
script.listen(8000).branch(
  ctx => ctx.count > 0,
  $ => $.connect('localhost:80'),
  // @ts-expect-error bytes here as well
  $ => $.replaceMessage(new Message('hi')),
)

// What branch gives is what its first way gives

script
  .listen(8000)
  .branch(
    ctx => ctx.count > 0,
    $ => $.decodeHTTPRequest(),
    $ => $.decodeHTTPRequest(),
  )
  .handleMessageStart(start => same<typeof start.head, HTTPRequestHead>(true))

// Replacements

script.pipeline('a').replaceData(data => [data, new Data('more')])
script.pipeline('a').replaceData(() => undefined)
script.pipeline('a').replaceData(async data => data)
// @ts-expect-error text is no event
script.pipeline('a').replaceData(() => 'text')
// @ts-expect-error a number is no event
script.pipeline('a').insert(5)
script.pipeline('a').replaceMessageStart(start => new MessageStart({ ...start.head }))

// Options

// @ts-expect-error misspelled
script.listen(8000, { idleTimout: 5 })
// @ts-expect-error a number or text
script.listen(8000, { idleTimeout: true })
// @ts-expect-error misspelled
script.listen(8000).connect('localhost:80', { conectTimeout: '3s' })
// @ts-expect-error not one of its options
script.listen(8000).demuxHTTP({ maxIdle: 5 })
// @ts-expect-error one of two words
script.listen(8000).fork(undefined, { policy: 'wait' })
// @ts-expect-error an option of others
script.listen(8000).serveHTTP(new Message('hi'), { window: 5 })
// @ts-expect-error no such placement
script.pipeline('a', { placement: 'moon' })
// @ts-expect-error a key goes with placement node
script.pipeline('a', { placement: 'local', key: () => 1 })
script.pipeline('a', { placement: 'node', key: ctx => ctx.target })

// Keys and initial values

script
  .task()
  .muxQueue(ctx => ctx.target)
  .to('other')
// @ts-expect-error a key is text, an object or a callback
script.task().muxHTTP(5).to('other')
// @ts-expect-error a callback gets the context
script.task().mux(ctx => ctx.traget)
script.listen(8000).fork({ count: 1 }).to('other')
script
  .listen(8000)
  .fork([{ count: 1 }, { target: 'a' }])
  .to('other')
// @ts-expect-error no such variable
script.listen(8000).fork({ cuont: 1 }).to('other')

// Sources

// @ts-expect-error an address
script.listen()
// @ts-expect-error a pipeline has a name
script.pipeline()
// @ts-expect-error a filter needs a pipeline to stand in
script.connect('localhost:80')

// Traffic logs and mirrors

script
  .listen(8000)
  .demuxHTTP()
  .to($ =>
    $.logTraffic('stdout', { fields: ({ status }, ctx) => ({ labels: { status, target: ctx.target } }) })
      .logTraffic({ bodies: true })
      .to('log')
      .mirror(ctx => ctx.target ?? 'a:1', { by: msg => msg.head.path })
      .mirror('a:1', { compare: true })
      .to('differences')
      .muxHTTP()
      .to($ => $.connect('localhost:80')),
  )
// @ts-expect-error bytes are no exchanges
script.listen(8000).logTraffic('stdout')
// @ts-expect-error no such sink
script.task().logTraffic('stdot')
// @ts-expect-error a sink has options that it needs
script.task().logTraffic('elasticsearch')
// @ts-expect-error no such option
script.task().mirror('a:1', { shares: 0.1 })
