/** Content types, and the versions of the protocol that they may ask for. */

import type { IncomingHttpHeaders } from 'node:http'
import { Answer, type Version } from './routes.ts'

const versioned = /^application\/vnd\.elasticsearch\+(json|x-ndjson)\s*;\s*compatible-with=(\d+)$/
const plain = /^application\/(json|x-ndjson)(\s*;\s*charset=utf-8)?$/i

const asked = (type: string | undefined): number | undefined => {
  const version = versioned.exec(type ?? '')?.[2]
  return version === undefined ? undefined : Number(version)
}

/** Why a request is refused for its media types. */
export function mediaProblem(
  headers: IncomingHttpHeaders,
  hasBody: boolean,
  serves: Version,
): Answer | undefined {
  const type = headers['content-type']
  const { accept } = headers
  if (hasBody && type === undefined)
    return Answer.error(406, 'media_type_header_exception', 'Content-Type header is missing')
  if (type !== undefined && !plain.test(type) && !versioned.test(type))
    return Answer.error(
      406,
      'media_type_header_exception',
      `Invalid media-type value on headers [Content-Type]: Content-Type header [${type}] is not supported`,
    )
  const [ofBody, ofAnswer] = [asked(type), asked(accept)]
  if (serves === 'opensearch')
    return ofBody === undefined && ofAnswer === undefined
      ? undefined
      : Answer.error(406, 'media_type_header_exception', `Content-Type header [${type}] is not supported`)
  for (const version of [ofBody, ofAnswer])
    if (version !== undefined && version !== serves && version !== serves - 1)
      return Answer.error(
        400,
        'media_type_header_exception',
        `Invalid media-type value on headers [Accept, Content-Type]: A compatible version must be [${serves}] or [${serves - 1}] but was [${version}]`,
      )
  if (hasBody && ofBody !== ofAnswer)
    return Answer.error(
      400,
      'media_type_header_exception',
      `A compatible version is required on both Content-Type and Accept headers if either one has requested a compatible version and the compatible versions must match. Accept=${accept}, Content-Type=${type}`,
    )
  return undefined
}

/** The type of an answer: the one that was asked for. */
export const mediaTypeOf = ({ accept }: IncomingHttpHeaders): string => {
  const version = asked(accept)
  return version === undefined
    ? 'application/json'
    : `application/vnd.elasticsearch+json;compatible-with=${version}`
}
