import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { parseStat, usage } from '../../bench/harness/accounting.ts'
import { parseJsonOutput } from '../../bench/harness/micro.ts'
import { parseOptions } from '../../bench/harness/options.ts'
import type { Sample } from '../../bench/harness/rounds.ts'
import { median, rotate, spread } from '../../bench/harness/statistics.ts'
import { judge, paired } from '../../bench/harness/summary.ts'
import { parseWrk } from '../../bench/harness/wrk.ts'
import { parseDeopts, parseStraceSummary } from '../../bench/profile/counts.ts'
import { parsePerfScript } from '../../bench/profile/perf.ts'
import { analyze } from '../../bench/profile/v8.ts'
import { WORKLOADS, type Workload } from '../../bench/workloads.ts'

const execute = promisify(execFile)
const path = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url))

const WRK = `Running 1s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.05ms  198.30us   9.03ms   93.44%
    Req/Sec    61.33k     1.92k   63.42k    90.91%
  Latency Distribution
     50%  880.00us
     75%    1.07ms
     90%    1.12ms
     99%    1.57ms
  67107 requests in 1.10s, 17.41MB read
`

test('what wrk prints is read with its units', t => {
  t.deepEqual(parseWrk(WRK), {
    requests: 67107,
    seconds: 1.1,
    megabytes: (17.41 * 2 ** 20) / 1e6,
    p50Ms: 0.88,
    p99Ms: 1.57,
    errors: 0,
  })
})

test('socket errors and statuses that are not 2xx or 3xx count as errors', t => {
  const lines = '  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 100\n'
  t.is(parseWrk(WRK + lines).errors, 110)
})

test('output that is not of wrk is no result', t => {
  t.throws(() => parseWrk('unable to connect to 127.0.0.1:1 Connection refused\n'), {
    message: /printed no total/,
  })
})

test('the median is the middle, and of an even number the mean of the two in the middle', t => {
  t.is(median([9, 1, 5]), 5)
  t.is(median([4, 1, 3, 2]), 2.5)
  t.is(median([10, 9, 100]), 10)
  t.is(median([]), Number.NaN)
})

test('the spread is half the range as a share of the median', t => {
  t.is(spread([9, 10, 11]), 0.1)
  t.is(spread([10]), 0)
})

test('each round starts with another server and leaves none out', t => {
  t.deepEqual(rotate(['a', 'b', 'c'], 0), ['a', 'b', 'c'])
  t.deepEqual(rotate(['a', 'b', 'c'], 4), ['b', 'c', 'a'])
  t.deepEqual(rotate([], 3), [])
})

test('a command name with spaces and parentheses does not shift the fields of /proc/PID/stat', t => {
  const rest = 'S 41 7 7 0 -1 4194304 99 0 0 0 12 34 5 6 20 0 1 0'
  t.deepEqual(parseStat(`42 (a) b (c)) ${rest}`), { parent: 41, ticks: 12 + 34 + 5 + 6 })
})

const isLinux = process.platform === 'linux'

test('the CPU time of a busy child, its threads and its own child is what they say they used', async t => {
  if (!isLinux) return void t.pass('needs /proc')
  const burn = 'const until = process.cpuUsage().user + 100_000; while (process.cpuUsage().user < until);'
  // The parent burns on its main thread, a worker thread on its own, and a child process as well: 0.1 s each at least.
  const program = `
    const { Worker } = require('node:worker_threads'), { spawn } = require('node:child_process')
    ${burn}
    const grandchild = spawn(process.execPath, ['-e', ${JSON.stringify(`${burn} console.log(process.cpuUsage().user + process.cpuUsage().system); process.stdin.resume()`)}], { stdio: ['pipe', 'pipe', 'inherit'] })
    grandchild.stdout.once('data', text => {
      const worker = new Worker(${JSON.stringify(`${burn} require('node:worker_threads').parentPort.postMessage(1); setInterval(() => {}, 1e6)`)}, { eval: true })
      worker.once('message', () => {
        const { user, system } = process.cpuUsage()
        console.log(user + system + Number(text))
      })
    })
    process.stdin.on('end', () => process.exit()).resume()`
  const child = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [said] = (await once(child.stdout, 'data')) as [Buffer]
  const { cpuUs, rssMb } = usage(child.pid as number)
  child.stdin.end()
  await once(child, 'exit')
  const saidUs = Number(said.toString())
  t.true(saidUs >= 300_000)
  t.true(Math.abs(cpuUs - saidUs) < 100_000, `counted ${cpuUs} us, the processes say ${saidUs} us`)
  t.true(rssMb > 20 && rssMb < 1000)
})

test('a process that is gone has used nothing', t => {
  if (!isLinux) return void t.pass('needs /proc')
  t.deepEqual(usage(2 ** 30), { cpuUs: 0, threadCpuUs: 0, rssMb: 0 })
})

const sample = (change: Partial<Sample>): Sample => ({
  round: 1,
  requestsPerSecond: 1000,
  megabytesPerSecond: 100,
  cpuUs: 10,
  threadCpuUs: 10,
  busy: 1,
  p50Ms: 1,
  p99Ms: 2,
  rssMb: 10,
  requests: 1000,
  errors: 0,
  ...change,
})

const workload: Workload = {
  name: 'w',
  title: 'W',
  path: '/',
  bodyBytes: 1,
  base: 'nginx',
  servers: { nginx: { kind: 'node', role: '' }, sluice: { kind: 'sluice', script: '', transport: 'auto' } },
  targets: [
    { metric: 'cpuUs', text: 'CPU', ratioAtMost: 1.1 },
    { metric: 'megabytesPerSecond', text: 'throughput', ratioAtLeast: 0.9 },
    { metric: 'p99Ms', text: 'p99', differenceAtMost: 0.1 },
  ],
}

const verdicts = (ours: Partial<Sample>) =>
  judge(workload, { nginx: [sample({})], sluice: [sample(ours)] }).map(row => row.verdict)

test('a target is met at its limit and missed beyond it', t => {
  t.deepEqual(verdicts({ cpuUs: 11, megabytesPerSecond: 90, p99Ms: 2.09 }), ['PASS', 'PASS', 'PASS'])
  t.deepEqual(verdicts({ cpuUs: 11.1, megabytesPerSecond: 89, p99Ms: 2.2 }), ['MISS', 'MISS', 'MISS'])
})

test('servers are compared within each round, whatever the machine did from one to the next', t => {
  const rounds = (...cpuUs: number[]) => cpuUs.map((cpu, i) => sample({ round: i + 1, cpuUs: cpu }))
  t.is(paired(rounds(10, 30, 20), rounds(10, 20, 20), 'cpuUs'), 1)
  t.is(paired(rounds(11, 22, 44), rounds(10, 20, 40), 'cpuUs'), 1.1)
  // A round that failed for one of them counts for neither.
  t.is(paired(rounds(11, 22), rounds(10, 20, 400).slice(1), 'cpuUs'), 1.1)
  t.true(Number.isNaN(paired(rounds(1), [], 'cpuUs')))
})

test('a server that erred passes nothing', t => {
  t.deepEqual(verdicts({ cpuUs: 1, errors: 1 }), ['MISS', 'MISS', 'MISS'])
})

test('what was not measured is said to be so', t => {
  t.deepEqual(
    judge(workload, { nginx: [sample({})] }).map(row => row.verdict),
    ['not measured', 'not measured', 'not measured'],
  )
})

test('options that mean nothing are refused', t => {
  const parse = (...args: string[]) => parseOptions(args, ['proxy', 'hello'])
  t.throws(() => parse('--only=prxy'), { message: /the workloads are proxy, hello/ })
  t.throws(() => parse('--rounds=0'), { message: /at least 1/ })
  t.throws(() => parse('--round=2'))
  t.true(parse('--only=micro').micro)
})

test('JSON that a micro bench prints is found whole or by line', t => {
  t.deepEqual(parseJsonOutput('[{"a":1},{"a":2}]\n'), [{ a: 1 }, { a: 2 }])
  t.deepEqual(parseJsonOutput('warming up\n{"a":1}\n42\n{"a":2}\n'), [{ a: 1 }, { a: 2 }])
})

test('a perf sample belongs to the layer on top of its stack, kernel time to its system call and caller', t => {
  const { samples, layers, syscalls, callers, tiers } = parsePerfScript(`node  7
	ffffffff82027534 tcp_write_xmit ([kernel.kallsyms])
	ffffffff8200e45b tcp_sendmsg ([kernel.kallsyms])
	ffffffff816b90ea ksys_write ([kernel.kallsyms])
	ffffffff821ecc51 do_syscall_64 ([kernel.kallsyms])
	           f838f __GI___libc_write (/usr/lib/x86_64-linux-gnu/libc.so.6)
	    7f2b3c0a3d73 JS:*'flush file:///app/runtime/net/gather.ts:46:24 (/tmp/perf-7.map)

node  7
	    7f2b3c0a3d73 JS:~decode file:///app/codec.ts:1:2 (/tmp/perf-7.map)

node  7
	         1632211 Builtins_LoadIC (/usr/bin/node)

`)
  t.is(samples, 3)
  t.deepEqual([...layers.keys()], ['kernel', 'javascript', 'v8 builtins'])
  t.deepEqual([...syscalls], [['write', 1]])
  t.deepEqual([...callers], [['write\t* flush net/gather.ts:46', 1]])
  t.deepEqual([...tiers], [['interpreter', 1]])
})

test('a V8 profile gives self time to the top of the stack and total time to all of it', t => {
  const frame = (functionName: string, url = '') => ({ functionName, url, lineNumber: 9 })
  const { busyUs, wallUs, rows } = analyze({
    nodes: [
      { id: 1, callFrame: frame('(root)'), children: [2, 4] },
      { id: 2, callFrame: frame('serve', `file://${path('runtime/x.ts')}`), children: [3] },
      { id: 3, callFrame: frame('writev') },
      { id: 4, callFrame: frame('(idle)') },
    ],
    samples: [2, 3, 4],
    timeDeltas: [10, 20, 70],
  })
  t.is(wallUs, 100)
  t.is(busyUs, 30)
  const row = (name: string) => rows.find(found => found.name === name)
  t.like(row('serve'), { kind: 'sluice', where: 'runtime/x.ts:10', selfUs: 10, totalUs: 30 })
  t.like(row('writev'), { kind: 'native', selfUs: 20, totalUs: 20 })
})

test('system calls and deoptimizations are counted from what the tools print', t => {
  const strace = ` 50.00    0.010000           5      2000           writev\n 50.00    0.01 5 1000 12 read\n100.00 0.02 3000 12 total\n`
  t.deepEqual(
    [...parseStraceSummary(strace)],
    [
      ['writev', 2000],
      ['read', 1000],
    ],
  )
  const deopt = `[bailout (kind: deopt-eager, reason: wrong map): begin. deoptimizing 0x1 <JSFunction insert (sfi = 0x2)>, 0x3]`
  t.deepEqual([...parseDeopts(deopt)], [['insert: wrong map (deopt-eager)', 1]])
})

/** What the generator says of a load. */
async function openLoop(
  load: object,
): Promise<{ requests: number; errors: number; p50Us: number; p90Us: number; maxUs: number }[]> {
  const running = execute(process.execPath, [path('bench/load/open-loop.ts')])
  running.child.stdin?.end(`${JSON.stringify(load)}\n`)
  return JSON.parse((await running).stdout)
}

test('the open-loop generator charges a stall to every request that was due meanwhile', async t => {
  const answer = (stallMs: number) => {
    const server = createServer((_, response) => {
      const until = performance.now() + stallMs
      stallMs = 0
      while (performance.now() < until);
      response.end('x')
    })
    return server.listen(0, '127.0.0.1')
  }
  const server = answer(400)
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const [result] = await openLoop({ ports: [port], rate: 200, seconds: 1, warmup: 0, connections: 4 })
  server.close()
  if (result === undefined) return t.fail()
  t.is(result.requests, 200)
  t.is(result.errors, 0)
  t.true(result.maxUs >= 350_000)
  // 400 ms at 200/s are 80 requests of 200, late by 400 ms down to nothing: the 90th percentile is near 300 ms.
  t.true(result.p90Us >= 150_000, `p90 is ${result.p90Us} us`)
})

test('the open-loop generator loads two servers in turn, and tells of each', async t => {
  const servers = [0, 40].map(lateMs =>
    createServer((_, response) => setTimeout(() => response.end('x'), lateMs)).listen(0, '127.0.0.1'),
  )
  await Promise.all(servers.map(server => once(server, 'listening')))
  const ports = servers.map(server => (server.address() as { port: number }).port)
  const [prompt, late] = await openLoop({ ports, rate: 100, seconds: 1, warmup: 0, connections: 8 })
  for (const server of servers) server.close()
  t.like(prompt, { requests: 100, errors: 0 })
  t.like(late, { requests: 100, errors: 0 })
  t.true((late?.p50Us ?? 0) >= 39_000)
  t.true((prompt?.p50Us ?? 0) < (late?.p50Us ?? 0))
})

const launcher = path('bin/sluice.js')
const scripts = readdirSync(path('bench/scripts')).filter(file => file.endsWith('.ts'))

test('every script that a workload names is there', t => {
  const named = WORKLOADS.flatMap(({ servers }) => Object.values(servers)).filter(
    plan => plan.kind === 'sluice',
  )
  for (const { script } of named) t.true(scripts.includes(script), script)
})

for (const script of scripts) {
  test(`bench/scripts/${script} loads`, async t => {
    const env = { ...process.env, PORT: '8000', ORIGIN: '127.0.0.1:1', COLLECTOR: '127.0.0.1:2' }
    await t.notThrowsAsync(
      execute(process.execPath, [launcher, path(`bench/scripts/${script}`), '--verify'], { env }),
    )
  })
}
