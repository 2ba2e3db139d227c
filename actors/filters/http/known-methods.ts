/** Methods that metrics and traces tell apart: those that are registered. Clients could make up any number of others. */
const knownMethods: ReadonlySet<string> = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'QUERY',
  'TRACE',
])

export const isKnownMethod = (method: string): boolean => knownMethods.has(method)

/** As the conventions of OpenTelemetry say it. */
export const methodLabel = (method: string): string => (knownMethods.has(method) ? method : '_OTHER')
