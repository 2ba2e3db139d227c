/**
 * What a buffer on disk promises, seen from the file system: with `bufferSync` an entry is told to be on disk when the disk has
 * said so, and the names of its files, too; without, when the system has been given it.
 */

import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename, dirname } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { startElasticsearch } from '../../support/elasticsearch.ts'
import { makeFolder } from '../../support/sluice.ts'

/** What was done, in the order in which it was done with. */
const done: { readonly what: 'written' | 'synced' | 'told'; readonly path: string }[] = []
const paths = new Map<number, string>()

// Put in the place of what the sinks import, before they do.
type Done = (error: Error | null, ...results: unknown[]) => void
const { openSync, open, write, fdatasync, fsync } = fs
/** The disk is full. */
let isFull = false
const noting =
  (call: (...args: never[]) => void, what: 'written' | 'synced') =>
  (...args: unknown[]): void => {
    const path = paths.get(args[0] as number) ?? 'unknown'
    const then = args.pop() as Done
    if (isFull && path.endsWith('.segment')) {
      setImmediate(then, new Error('ENOSPC: no space left on device'))
      return
    }
    call(
      ...([
        ...args,
        (error: Error | null, ...results: unknown[]) => {
          if (error === null) done.push({ what, path })
          then(error, ...results)
        },
      ] as never[]),
    )
  }
const opened = (fd: number, path: unknown): number => {
  paths.set(fd, String(path))
  return fd
}
Object.assign(fs, {
  openSync: (...args: Parameters<typeof openSync>) => opened(openSync(...args), args[0]),
  open: (...args: unknown[]) => {
    const then = args.pop() as Done
    const callback: Done = (error, fd) => then(error, error === null ? opened(fd as number, args[0]) : fd)
    ;(open as (...args: unknown[]) => void)(...args, callback)
  },
  write: noting(write, 'written'),
  fdatasync: noting(fdatasync, 'synced'),
  fsync: noting(fsync, 'synced'),
})
syncBuiltinESMExports()
const { entries, TestSink } = await import('../../support/sinks.ts')

/** Writes entries while the server is away, and ends as a process does that is drained. */
async function writeAndLeave(t: ExecutionContext, bufferSync: boolean): Promise<ReadonlySet<string>> {
  done.length = 0
  const reasons = new Set<string>()
  const server = await startElasticsearch(t)
  await server.away()
  const made = new TestSink('elasticsearch', {
    node: server.url,
    dataStream: 'logs-traffic-default',
    bufferPath: makeFolder(t),
    bufferSync,
    // Most of them are on disk alone.
    bufferLimit: '20k',
    retryDelay: '2ms',
  })
  for (const entry of entries(60)) {
    made.sink.write(entry, outcome => {
      if (outcome.kind !== 'dropped') return
      reasons.add(outcome.reason)
      if (outcome.reason === 'left-on-disk') done.push({ what: 'told', path: entry.id })
    })
    await new Promise(resolve => setImmediate(resolve))
  }
  await made.sink.close(0)
  t.true(made.isBalanced)
  return reasons
}

const isSegment = (path: string): boolean => path.endsWith('.segment')
const last = (what: string, is: (path: string) => boolean): number =>
  done.findLastIndex(each => each.what === what && is(each.path))
const first = (what: string, is: (path: string) => boolean): number =>
  done.findIndex(each => each.what === what && is(each.path))

test.serial(
  'with bufferSync nothing is told to be on disk before the disk has it, and the name of its file',
  async t => {
    await writeAndLeave(t, true)
    t.is(done.filter(({ what }) => what === 'told').length, 60)
    const told = first('told', () => true)
    const files = new Set(
      done.filter(({ what, path }) => what === 'written' && isSegment(path)).map(({ path }) => path),
    )
    t.true(files.size > 0)
    for (const file of files) {
      const synced = last('synced', path => path === file)
      t.true(last('written', path => path === file) < synced && synced < told, basename(file))
      for (let folder = dirname(file), level = 0; level < 3; folder = dirname(folder), level++) {
        const named = first('synced', path => path === folder)
        t.true(named >= 0 && named < told, `the folder ${folder}`)
      }
    }
  },
)

test.serial(
  'without it all is given to the system before it is told, and the disk is not waited for',
  async t => {
    await writeAndLeave(t, false)
    t.is(done.filter(({ what }) => what === 'told').length, 60)
    t.true(last('written', isSegment) < first('told', () => true))
    t.is(
      first('synced', () => true),
      -1,
    )
  },
)

test.serial('what a full disk has not taken when the process ends is not told to be left there', async t => {
  isFull = true
  t.teardown(() => {
    isFull = false
  })
  const reasons = await writeAndLeave(t, false)
  t.false(reasons.has('left-on-disk'))
  t.true(reasons.has('disk-failed'))
})
