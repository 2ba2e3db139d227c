import { Message, os, sluice } from 'sluice'

/** Lines that come over TCP are exchanges: each goes to the loggers. The connection is paused while these cannot keep up. */
const delivery = os.env.DELIVERY === 'at-least-once' ? 'at-least-once' : 'at-most-once'
/** So many keys are spread over all loggers. */
const keys = Number(os.env.KEYS ?? 64)
let count = 0

export default sluice()
  .listen(`127.0.0.1:${os.env.PORT ?? 8000}`, { role: 'edge' })
  .split('\n')
  .fork(undefined, { policy: 'block' })
  .to('log')
  .dummy()

  // What comes out is what acknowledges with delivery at-least-once.
  .pipeline('log', { placement: 'cluster', role: 'log', delivery, key: () => String(count++ % keys) })
  .replaceMessage(new Message())
