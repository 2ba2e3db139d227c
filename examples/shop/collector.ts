import { type HTTPRequestHead, type HTTPResponseHead, JSON, Message } from 'sluice'

/** What the shop writes of each request. Bodies are text. */
export interface LogRecord {
  readonly time: string
  readonly durationMs: number
  readonly request?: { head: HTTPRequestHead; body?: string | undefined } | undefined
  readonly response?: { head: HTTPResponseHead; body?: string | undefined } | undefined
  /** Why there is no response. */
  readonly error?: string | undefined
}

/** Lines of a batch that are shown; a busy shop would scroll away everything else. */
const shownLines = 10

/** The collector: takes batches of JSON lines and shows each record in one short line. */
export function collector(batch: Message<HTTPRequestHead>): Message {
  const lines = batch.body?.toString().trimEnd().split('\n') ?? []
  console.log(`collector: a batch of ${lines.length}`)
  for (const line of lines.slice(0, shownLines)) console.log(`  ${describe(JSON.parse(line) as LogRecord)}`)
  if (lines.length > shownLines) console.log(`  … and ${lines.length - shownLines} more`)
  return new Message({ status: 204 })
}

function describe({ request, response, durationMs, error }: LogRecord): string {
  const outcome = response
    ? `${response.head.status} by ${response.head.headers['x-served-by'] ?? 'the proxy'}`
    : `failed: ${error}`
  return `${request?.head.method} ${request?.head.path} → ${outcome}, ${response?.body?.length ?? 0} characters in ${durationMs} ms`
}
