import type { RequestHead } from '../../../runtime/codec/http1/index.ts'
import type { Pipeline } from '../../pipeline.ts'

/** What the response to a request depends on. */
export type RequestFacts = Pick<RequestHead, 'method' | 'keepAlive' | 'isHTTP10'>

const byPipeline = new WeakMap<Pipeline, RequestFacts[]>()

/**
 * The requests under way in a pipeline, oldest first: `decodeHTTPRequest` notes them for `encodeHTTPResponse`, and
 * `encodeHTTPRequest` for `decodeHTTPResponse`, since a response cannot be framed without its request (RFC 9112 §6.3).
 */
export function requestsOf(pipeline: Pipeline): RequestFacts[] {
  let requests = byPipeline.get(pipeline)
  if (requests === undefined) {
    requests = []
    byPipeline.set(pipeline, requests)
  }
  return requests
}
