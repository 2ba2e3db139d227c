import { chooseEncoding, parseAcceptEncoding } from '../../../runtime/api/http/accept-encoding.ts'
import { type Event, type Head, Kind } from '../../../runtime/event.ts'
import { Filter } from '../../filter.ts'
import type { Pipeline } from '../../pipeline.ts'
import type { FilterDefinition } from '../definition.ts'
import type { Method } from './methods.ts'

/** Requests of one pipeline that are not answered: more of them are not waited for, but taken by something. */
const mostWaiting = 1000

/** The Accept-Encoding fields of requests that have entered a pipeline, first to last; undefined: there was none. */
const waiting = new WeakMap<Pipeline, (string | undefined)[]>()

/** Notes what the client of each request accepts, before filters behind it change or answer the request. */
class AcceptedEncodings extends Filter {
  process(event: Event): void {
    if (event.kind === Kind.messageStart) this.note(event.head)
    this.next.process(event)
  }

  private note(head: Head): void {
    const { headers, status } = head as { headers?: Record<string, unknown>; status?: unknown }
    if (status !== undefined) return
    const field = headers?.['accept-encoding']
    const { pipeline } = this
    let fields = waiting.get(pipeline)
    if (fields === undefined) {
      fields = []
      waiting.set(pipeline, fields)
    }
    if (fields.length === mostWaiting) fields.shift()
    fields.push(field === undefined || field === null ? undefined : String(field))
  }
}

/** Stands where requests enter the pipeline of a compressHTTP. It is no filter that scripts name. */
export const acceptedEncodings: FilterDefinition = {
  name: 'compressHTTP',
  aliases: [],
  signature: '',
  summary: '',
  doc: '',
  accepts: 'any',
  emits: 'same',
  options: {},
  example: '',
  build: () => ({ name: 'acceptedEncodings', create: () => new AcceptedEncodings() }),
}

/**
 * The first of the methods that the client of the next request to be answered likes best, RFC 9110 §12.5.3. One that
 * says nothing takes any; undefined: it takes none of them.
 */
export function negotiate(pipeline: Pipeline, methods: readonly Method[]): Method | undefined {
  const field = waiting.get(pipeline)?.shift()
  return field === undefined ? methods[0] : chooseEncoding(weightsOf(field), methods)
}

/** `x-gzip` is another name for `gzip`, RFC 9110 §8.4.1.3. */
function weightsOf(field: string): ReadonlyMap<string, number> {
  const weights = parseAcceptEncoding(field)
  const old = weights.get('x-gzip')
  return old === undefined || weights.has('gzip') ? weights : new Map(weights).set('gzip', old)
}
