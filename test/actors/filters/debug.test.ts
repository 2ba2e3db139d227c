/** dummy, dump and print: what they pass on and what they write. */

import test, { type ExecutionContext } from 'ava'
import { sluice } from '../../../actors/index.ts'
import { Data, MessageStart } from '../../../runtime/event.ts'
import { events, harness } from '../../support/pipeline-harness.ts'

/** Runs `run` with the standard output caught. */
function outputOf(t: ExecutionContext, run: () => void): Buffer {
  const chunks: Buffer[] = []
  const write = process.stdout.write
  process.stdout.write = ((chunk: string | Uint8Array) => {
    chunks.push(Buffer.from(chunk as string))
    return true
  }) as typeof write
  try {
    run()
  } finally {
    process.stdout.write = write
  }
  t.pass()
  return Buffer.concat(chunks)
}

const stream = ['D:', 'S{"path":"/a"}', 'D:one', 'E{"t":1}', 'X:ReadError']

test.serial('dummy eats everything but the end of the stream', t => {
  const session = harness(t, sluice().pipeline('main').dummy())
    .open()
    .feed(...events(...stream))
  t.deepEqual(session.shown, ['X:ReadError'])
})

test.serial('print writes the bytes of Data as they are, and passes everything on', t => {
  const session = harness(t, sluice().pipeline('main').print()).open()
  const bytes = Buffer.from('grüße\n')
  const output = outputOf(t, () => {
    session.feed(...events(...stream))
    // Cut inside a character, as reads cut streams.
    session.feed()
  })
  t.is(output.toString(), 'one')
  t.deepEqual(session.shown, stream)
  const cut = harness(t, sluice().pipeline('main').print()).open()
  const printed = outputOf(t, () => {
    cut.feed(Data.borrow(bytes, 0, 3))
    cut.feed(Data.borrow(bytes, 3, bytes.length))
    bytes.fill(0)
  })
  t.is(printed.toString(), 'grüße\n')
})

test.serial(
  'nothing that a peer said makes a terminal obey, or looks like a line of its own, in a dump',
  t => {
    const session = harness(
      t,
      sluice()
        .pipeline('main')
        .dump(() => 'tag\u009b2J\r\nfake'),
    ).open()
    const head = { 'x-a': '\u009b2J\u0085', path: '/\u202e' }
    const output = outputOf(t, () => session.feed(new MessageStart(head))).toString()
    t.notRegex(output.slice(0, -1), /[\p{Cc}\u202e]/u)
    t.deepEqual(JSON.parse(/MessageStart (.*)\n$/.exec(output)?.[1] ?? ''), head)
  },
)

test.serial('dump writes a line for each event, with bytes as a hex dump', t => {
  const session = harness(t, sluice().pipeline('main').dump('tag')).open()
  const output = outputOf(t, () => session.feed(...events(...stream))).toString()
  t.deepEqual(session.shown, stream)
  const lines = output.trimEnd().split('\n')
  t.is(lines.length, 6)
  for (const line of lines.filter(each => !each.startsWith('  ')))
    t.regex(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z \[dump\] \[test-\d+\/main\] \[tag\] /)
  t.regex(lines[1] ?? '', /MessageStart {"path":"\/a"}$/)
  t.regex(lines[2] ?? '', /Data \[size=3\]$/)
  t.regex(lines[3] ?? '', /^ {2}00000000 {2}6f 6e 65 +one$/)
  t.regex(lines[4] ?? '', /MessageEnd {"t":1}$/)
  t.regex(lines[5] ?? '', /StreamEnd \[ReadError\] Reading from the connection failed$/)
})

test.serial('the tag of dump may be a callback; what cannot be shown does not end the session', t => {
  const script = sluice({ name: 'ctx' })
    .pipeline('main')
    .dump(ctx => ctx.name)
  const session = harness(t, script).open()
  const loop: { self?: unknown } = {}
  loop.self = loop
  const output = outputOf(t, () => session.feed(new MessageStart(loop))).toString()
  t.regex(output, /\[ctx\] MessageStart/)
  t.is(session.output.length, 1)
  t.is(session.output[0]?.kind, 1)
})
