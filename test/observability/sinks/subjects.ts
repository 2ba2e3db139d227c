/** Each kind of sink with something to write to, for the suite that all must pass. */

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { startElasticsearch } from '../../support/elasticsearch.ts'
import { LogServer } from '../../support/log-server.ts'
import { makeFolder } from '../../support/sluice.ts'

export interface Subject {
  readonly kind: string
  readonly options: object
  /** Ids of what is stored. */
  stored(): string[]
  /** It cannot be reached, or written. */
  away(): Promise<void>
  back(): Promise<void>
}

interface Document {
  readonly event: { readonly id: string }
}

const idOf = (json: string): string => (JSON.parse(json) as Document).event.id

async function httpSubject(
  t: ExecutionContext,
  kind: string,
  options: object,
  read: (body: string) => string[],
): Promise<Subject> {
  const server = await LogServer.start(t)
  return {
    kind,
    options: { url: server.url, ...options },
    stored: () => server.taken.flatMap(({ body }) => read(body)),
    away: () => server.away(),
    back: () => server.back(),
  }
}

interface Records {
  readonly resourceLogs: readonly {
    readonly scopeLogs: readonly {
      readonly logRecords: readonly { readonly attributes: readonly { value: { stringValue: string } }[] }[]
    }[]
  }[]
}

const recordIds = (body: string): string[] =>
  (JSON.parse(body) as Records).resourceLogs.flatMap(({ scopeLogs }) =>
    scopeLogs.flatMap(({ logRecords }) =>
      logRecords.map(({ attributes }) => attributes[0]?.value.stringValue ?? ''),
    ),
  )

export const subjects: Readonly<Record<string, (t: ExecutionContext) => Promise<Subject>>> = {
  elasticsearch: async t => {
    const server = await startElasticsearch(t)
    const dataStream = 'logs-traffic-default'
    return {
      kind: 'elasticsearch',
      options: { node: server.url, dataStream },
      stored: () => [...server.documents(dataStream).keys()],
      away: () => server.away(),
      back: () => server.back(),
    }
  },
  'http with lines': t => httpSubject(t, 'http', {}, body => body.trimEnd().split('\n').map(idOf)),
  'http with packed arrays': t =>
    httpSubject(t, 'http', { format: 'array', compression: 'gzip' }, body =>
      (JSON.parse(body) as Document[]).map(({ event }) => event.id),
    ),
  'otlp with structured bodies': t => httpSubject(t, 'otlp', {}, recordIds),
  'otlp with text': t => httpSubject(t, 'otlp', { body: 'text', compression: 'none' }, recordIds),
  file: async t => {
    const folder = makeFolder(t, { 'logs/traffic.jsonl': '' })
    const [there, gone] = [join(folder, 'logs'), join(folder, 'gone')]
    return {
      kind: 'file',
      options: { path: join(there, 'traffic.jsonl') },
      stored: () =>
        readFileSync(join(there, 'traffic.jsonl'), 'utf8')
          .split('\n')
          .filter(line => line !== '')
          .map(idOf),
      // A file stands where its folder was.
      away: async () => {
        renameSync(there, gone)
        writeFileSync(there, '')
      },
      back: async () => {
        rmSync(there)
        renameSync(gone, there)
      },
    }
  },
}
