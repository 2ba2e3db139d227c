import type { ItemVerdict, Verdict } from './destination.ts'
import type { NodeAnswer } from './http-nodes.ts'

/**
 * What an answer to a batch means where the server says nothing of single documents: all of them are taken, or none; which of
 * them a 400 is about is found by halving.
 *
 * @param accepted what a 2xx means for them
 */
export function verdictOn(
  answer: NodeAnswer,
  sentBytes: number,
  accepted: (text: string) => ItemVerdict | readonly ItemVerdict[],
): Verdict {
  if (answer.kind === 'failed')
    return { kind: 'again', reason: answer.reason, cause: 'failure', afterMs: answer.nextMs }
  const { status, text, retryAfterMs, nextMs } = answer
  if (status >= 200 && status < 300) return { kind: 'answered', items: accepted(text), sentBytes }
  const said = text.slice(0, 200).replaceAll('\n', ' ')
  const reason = said === '' ? `the server answered ${status}` : `the server answered ${status}: ${said}`
  switch (status) {
    case 413:
      return { kind: 'split', reason: `${reason} (to ${sentBytes} bytes)`, cause: 'size' }
    case 400:
    case 422:
      return { kind: 'split', reason, cause: 'content' }
    case 429:
      return { kind: 'again', reason, cause: 'congestion', afterMs: retryAfterMs }
    case 408:
      return { kind: 'again', reason, cause: 'failure' }
    case 502:
    case 503:
    case 504:
      return { kind: 'again', reason, cause: 'failure', afterMs: retryAfterMs ?? nextMs }
  }
  return { kind: 'again', reason, cause: status >= 500 ? 'failure' : 'configuration' }
}
