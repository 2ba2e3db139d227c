/**
 * For consumers of Dubbo, an HTTP service as their provider: a call becomes POST /service/method with the arguments as a
 * JSON array, and the JSON answered is its result. Heartbeats are answered here; a one-way call gets no answer.
 *
 *     TARGET=localhost:8080 PORT=20880 sluice examples/dubbo-to-json.ts
 */

import { type DubboHead, Hessian, JSON, Message, os, StreamEnd, sluice } from 'sluice'

const answer = ({ requestID, isEvent }: DubboHead, status: number, body: unknown) =>
  new Message({ requestID, isEvent, isRequest: false, status }, Hessian.encode(body))

export default sluice({ call: {} as DubboHead })
  .listen(Number(os.env.PORT ?? 20880))
  .decodeDubbo()
  .demux()
  .to($ =>
    $.handleMessageStart(({ head }, ctx) => {
      ctx.call = head
    }).branch(
      ctx => ctx.call.isEvent,
      $ => $.replaceMessage((_, ctx) => answer(ctx.call, 20, null)),
      $ =>
        $.replaceMessage(({ body }) => {
          const [, service, , method, , ...args] = Hessian.decodeAll(body)
          const json = JSON.encode(args.slice(0, -1)) // behind the arguments are attachments
          return new Message({ method: 'POST', path: `/${service}/${method}` }, json)
        })
          .muxHTTP()
          .to($ => $.connect(os.env.TARGET ?? 'localhost:8080'))
          .replaceMessage(({ head: { status }, body }, { call }) => {
            if (!call.isTwoWay) return new StreamEnd()
            // 70: the service failed. 20: it did not, and 1 says that a value follows.
            if (status !== 200) return answer(call, 70, `HTTP ${status}`)
            return answer(call, 20, [1, JSON.decode(body)])
          }),
    ),
  )
  .encodeDubbo()
