/** Mistakes that scripts make, for assemble.test.ts: what each is told. */

interface Mistake {
  readonly what: string
  /** What stands behind `sluice()`, each call on a line of its own; the wrong one ends with `// wrong`. */
  readonly script: string
  readonly code: string
  readonly message: RegExp
}

export const mistakes: readonly Mistake[] = [
  {
    what: 'a mistyped pipeline',
    script: `.pipeline('main')
.fork().to('lgo') // wrong
.pipeline('log').dummy()`,
    code: 'UnknownPipeline',
    message: /'lgo'; did you mean 'log'\?$/,
  },
  {
    what: 'a fork that is to spill',
    script: `.pipeline('main')
.fork({}, { policy: 'spill' }).to('log') // wrong
.pipeline('log').dummy()`,
    code: 'BadOption',
    message: /no policy 'spill'; .* delivery 'at-least-once', which stores all of it$/,
  },
  {
    what: 'an option of durable pipelines on one that is not',
    script: `.pipeline('log', { placement: 'cluster', maxDeliver: 3 }).dummy() // wrong`,
    code: 'BadOption',
    message: /option 'maxDeliver' of pipeline goes with delivery 'at-least-once'$/,
  },
  {
    what: 'a pipeline that nothing is like',
    script: `.pipeline('main')
.link('xyz') // wrong
.pipeline('logging')`,
    code: 'UnknownPipeline',
    message: /'xyz'; there are 'main', 'logging'$/,
  },
  {
    what: 'a pipeline where none is defined',
    script: `.listen(0)
.link('xyz') // wrong`,
    code: 'UnknownPipeline',
    message: /'xyz'; the script defines none$/,
  },
  {
    what: 'a mistyped option',
    script: `.listen(0)
.connect('a:1', { conectTimeout: 1 }) // wrong`,
    code: 'BadOption',
    message: /connect has no option 'conectTimeout'; did you mean 'connectTimeout'\?$/,
  },
  {
    what: 'an option of another kind',
    script: `.listen(0)
.connect('a:1', { idleTimeout: 'soon' }) // wrong`,
    code: 'BadOption',
    message: /option 'idleTimeout' of connect wants a duration.*"soon"$/,
  },
  {
    what: 'an option of listen',
    script: `.listen(0, { maxConections: 1 }) // wrong
.dummy()`,
    code: 'BadOption',
    message: /listen has no option 'maxConections'; did you mean 'maxConnections'\?$/,
  },
  {
    what: 'a filter of messages among bytes',
    script: `.listen(0)
.handleMessage(() => {}) // wrong`,
    code: 'ScriptError',
    message: /handleMessage takes messages, and stands where there are bytes; put a decoder in front of it/,
  },
  {
    what: 'a filter of bytes among messages',
    script: `.task()
.connect('a:1') // wrong`,
    code: 'ScriptError',
    message: /connect takes bytes, and stands where there are messages; put an encoder in front of it/,
  },
  {
    what: 'a filter of bytes in a pipeline of messages',
    script: `.listen(0)
.demuxHTTP().to($ =>
$.handleMessage(() => {})
.connect('a:1') // wrong
)`,
    code: 'ScriptError',
    message: /connect takes bytes/,
  },
  {
    what: 'a filter of messages in a pipeline of bytes',
    script: `.pipeline('main')
.muxHTTP().to($ =>
$.handleMessage(() => {}) // wrong
)`,
    code: 'ScriptError',
    message: /handleMessage takes messages/,
  },
  {
    what: 'a fork of bytes to a shared pipeline',
    script: `.listen(0)
.fork().to('log') // wrong
.pipeline('log', { placement: 'node' }).dummy()`,
    code: 'ScriptError',
    message: /'log' has placement 'node' and takes messages, and here are bytes/,
  },
  {
    what: 'two pipelines with one name',
    script: `.pipeline('a').dummy()
.pipeline('a') // wrong`,
    code: 'ScriptError',
    message: /there are two pipelines with the name 'a'$/,
  },
  {
    what: 'a pipeline without a name',
    script: `.pipeline() // wrong`,
    code: 'BadOption',
    message: /pipeline\(\) wants a name, and got (undefined|"")$/,
  },
  {
    what: 'a placement that there is not',
    script: `.pipeline('a', { placement: 'nod' }) // wrong`,
    code: 'BadOption',
    message: /option 'placement' of pipeline wants one of 'local', 'node'.*"nod"$/,
  },
  {
    what: 'a key without a placement',
    script: `.pipeline('a', { key: () => 1 }) // wrong`,
    code: 'BadOption',
    message: /option 'key' of pipeline goes with placement 'node' or 'cluster', and here it is 'local'$/,
  },
  {
    what: 'a role without placement cluster',
    script: `.pipeline('a', { placement: 'node', role: 'log' }) // wrong`,
    code: 'BadOption',
    message: /option 'role' of pipeline goes with placement 'cluster', and here it is 'node'$/,
  },
  {
    what: 'a role that is no name',
    script: `.pipeline('a', { placement: 'cluster', role: 'a b' }) // wrong`,
    code: 'BadOption',
    message: /option 'role' of pipeline wants a name of letters, digits, '-' and '_', and got "a b"$/,
  },
  {
    what: 'to() behind a filter that has no sub-pipeline',
    script: `.pipeline('a')
.dummy()
.to('a') // wrong`,
    code: 'ScriptError',
    message: /to\(\) stands behind a filter that has a sub-pipeline, and dummy has none$/,
  },
  {
    what: 'to() behind nothing',
    script: `.to('a') // wrong`,
    code: 'ScriptError',
    message: /to\(\) stands behind a filter.*here is none$/,
  },
  {
    what: 'to() of what is no pipeline',
    script: `.pipeline('a')
.fork().to(8000) // wrong`,
    code: 'BadOption',
    message:
      /to\(\) wants the name of a pipeline, \$ => \$…, or what pipeline\(\$ => \$…\) gave, and got 8000$/,
  },
  {
    what: 'a second to()',
    script: `.pipeline('a')
.fork().to('a')
.to('a') // wrong`,
    code: 'ScriptError',
    message: /fork has its sub-pipeline already/,
  },
  {
    what: 'no to() where one is needed',
    script: `.pipeline('a')
.demux() // wrong`,
    code: 'BadOption',
    message: /demux wants a pipeline to send to: add \.to/,
  },
  {
    what: 'a sub-pipeline that gives nothing back',
    script: `.pipeline('a')
.fork().to(() => {}) // wrong`,
    code: 'ScriptError',
    message: /\$ => … must give back the pipeline that it wrote.*gave undefined$/,
  },
  {
    what: 'a sub-pipeline that is a promise',
    script: `.pipeline('a')
.fork().to(async $ => $.dummy()) // wrong`,
    code: 'ScriptError',
    message: /must give back the pipeline.*gave an object \(Promise\)$/,
  },
  {
    what: 'a sub-pipeline that throws',
    script: `.pipeline('a')
.fork().to($ => {
throw new Error('a bug') // wrong
})`,
    code: 'ScriptError',
    message: /a bug/,
  },
  {
    what: 'a mistyped filter in a sub-pipeline',
    script: `.pipeline('a')
.fork().to($ =>
$.dumy() // wrong
)`,
    code: 'ScriptError',
    message: /dumy/,
  },
  {
    what: 'a filter in front of any source',
    script: `.dummy() // wrong`,
    code: 'ScriptError',
    message:
      /dummy needs a stream: put listen\(port\), subscribe\(subject\), task\(\), read\(file\) or pipeline\(name\) in front of it$/,
  },
  {
    what: 'an argument too many',
    script: `.pipeline('a')
.dummy('x') // wrong`,
    code: 'BadOption',
    message: /dummy\(\) got an argument too many: "x"$/,
  },
  {
    what: 'no callback',
    script: `.pipeline('a')
.handleData() // wrong`,
    code: 'BadOption',
    message: /handleData wants a callback.*got undefined$/,
  },
  {
    what: 'no condition',
    script: `.pipeline('a')
.wait(true) // wrong`,
    code: 'BadOption',
    message: /wait wants a condition.*got true$/,
  },
  {
    what: 'a target without a port',
    script: `.listen(0)
.connect('localhost') // wrong`,
    code: 'BadOption',
    message: /"localhost" cannot be used as a target: a port is missing/,
  },
  {
    what: 'a target that is a number',
    script: `.listen(0)
.connect(8080) // wrong`,
    code: 'BadOption',
    message: /connect wants a target like 'host:port'.*got 8080$/,
  },
  {
    what: 'a port that there is not',
    script: `.listen(99999) // wrong
.dummy()`,
    code: 'BadOption',
    message: /99999 cannot be used as a listen address/,
  },
  {
    what: 'an address that is a name',
    script: `.listen('example.com:80') // wrong
.dummy()`,
    code: 'BadOption',
    message: /'example\.com' is not an IP address/,
  },
  {
    what: 'no port',
    script: `.listen() // wrong
.dummy()`,
    code: 'BadOption',
    message: /listen wants a port or 'ip:port', and got undefined$/,
  },
  {
    what: 'an interval that is too short',
    script: `.task('9ms') // wrong
.dummy()`,
    code: 'BadOption',
    message: /task wants an interval of 10ms to 24h.*"9ms"$/,
  },
  {
    what: 'an interval that is too long',
    script: `.task('25h') // wrong
.dummy()`,
    code: 'BadOption',
    message: /task wants/,
  },
  {
    what: 'an interval that is none',
    script: `.task('now') // wrong
.dummy()`,
    code: 'BadOption',
    message: /task wants.*"now"$/,
  },
  {
    what: 'a branch without a target',
    script: `.pipeline('a')
.branch() // wrong`,
    code: 'BadOption',
    message: /branch wants conditions and targets, and got nothing$/,
  },
  {
    what: 'a branch with its target in front',
    script: `.pipeline('a')
.branch('a', () => true) // wrong`,
    code: 'BadOption',
    message: /branch wants a condition.*in front of each target, and got "a"$/,
  },
  {
    what: 'a link with a value as condition',
    script: `.pipeline('a')
.link('a', true) // wrong`,
    code: 'BadOption',
    message: /link wants a condition.*got true$/,
  },
]
