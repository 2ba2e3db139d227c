import { pipelineOptions } from '../../actors/script/pipeline-options.ts'
import { listenOptions } from '../../actors/sources/listen.ts'
import { subscribeOptions } from '../../actors/sources/subscribe.ts'
import { taskOptions } from '../../actors/sources/task.ts'
import { code, kindsOfOptions, optionsTable, page } from './markdown.ts'

export function sourcesPage(): string {
  return page(
    'Sources and pipelines',
    `What begins a pipeline: each call ends the one before it and begins the next. ${kindsOfOptions}`,
    '## listen(target[, options])',
    "Begins a pipeline for each connection to an address: a port (all IPv4 addresses), `'ip:port'` or `'[ip]:port'` for IPv6. What comes out of its last filter goes back to the client. Port 0 is one that the kernel chooses; the log names it.",
    optionsTable(listenOptions),
    code(
      'ts',
      "listen('127.0.0.1:8000', { maxConnections: 10_000, idleTimeout: '5m' }).connect('127.0.0.1:8080')",
    ),
    '## task([when[, options]])',
    'Begins a pipeline that is fed an empty message: once when the script starts, or at an interval from 10 ms to 24 h, of which the first tick comes at once, or with a signal like `SIGUSR2` whenever the process gets that (besides what it does by itself at SIGHUP, SIGINT and SIGTERM). A tick ends with a `StreamEnd` at the output of the pipeline; until then the ticks that follow are left out. Every thread has its own ticks.',
    optionsTable(taskOptions),
    code('ts', "task('5s').replaceMessage(() => { console.log('still here'); return new StreamEnd() })"),
    '## read(file[, options])',
    'Begins a pipeline that is fed the bytes of a file and then the end of the stream, once when the script starts, in every thread. A file that cannot be opened keeps the script from starting; one that breaks off ends the stream with `ReadError`. A `read` that has a stream in front of it is the [filter](filters.md) of that name, as in the newest Pipy; in its second generation it began a pipeline there, too.',
    optionsTable(taskOptions),
    code(
      'ts',
      "read('/etc/routes.txt').split('\\n').handleMessageBody(line => console.log(line.toString())).dummy()",
    ),
    '## subscribe(subject[, options])',
    'Begins a pipeline that is fed what is published to a subject of NATS, by Sluice or by any other program; the subject may have wildcards (`*` for one part, `>` for all that follow). Each message is one of a single stream, with the head `{ subject, reply, headers }` and its bytes as the body; the session begins with the first message, and when it ends, the next message begins another. What comes out is discarded. Delivery is at most once: a message that is published while no node is connected is gone, and one for which the pipeline has no room is dropped and counted (ledger kind `subscribe`). It needs `--nats`.',
    "A message that wants a reply is a request. It has a session of its own, which gets the message and the end of the stream, and the first message that comes out is published as the reply, with the fields of its head's `headers`. A request that fails is answered with the headers `Nats-Service-Error` and `Nats-Service-Error-Code` (the HTTP status of the fault), as services of NATS do.",
    optionsTable(subscribeOptions),
    code(
      'ts',
      "subscribe('orders.*', { group: 'billing' }).handleMessage(msg => console.log(msg.head.subject)).dummy()",
    ),
    code('ts', "subscribe('time').replaceMessage(() => new Message(new Date().toISOString()))"),
    '## pipeline(name[, options])',
    'Begins a pipeline that others refer to by its name: `.to(name)`, `link(name)`, `branch(…, name)`. It may be defined behind its use, and may refer to itself.',
    optionsTable(pipelineOptions),
    'What is sent to a pipeline with placement `node` or `cluster` are whole messages, over `fork`; its output is discarded. Its context has the initial values of the variables and no `__inbound`. One with placement `cluster` and no filters is a declaration: other nodes run it.',
    code('ts', "pipeline('log', { placement: 'node' }).handleMessage(msg => console.log(msg.head)).dummy()"),
    '## export(namespace, variables)',
    'Declares context variables that other modules may import, with their initial values. It stands in front of the first pipeline. Two modules cannot export the same name in the same namespace.',
    code('ts', "export('proxy', { isAnswered: false })"),
    '## import(variables)',
    "Makes variables that another module exports those of this one as well: for each name its namespace. They are the same variables: what one module assigns, the others read. A name that nobody exports is an error when the script is loaded. In TypeScript their types are given besides: `import<{ isAnswered: boolean }>({ isAnswered: 'proxy' })`. Variables of modules of TypeScript share one set of names; `_x` of two files in Pipy's dialect are two.",
    code('ts', "import({ isAnswered: 'proxy' })"),
  )
}
