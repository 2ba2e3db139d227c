/** `perf script` output, read into where the time went: the sight that V8's own profiler lacks, native code and kernel. */

export type Layer = 'javascript' | 'v8 builtins' | 'gc' | 'v8' | 'node & libuv' | 'libc' | 'kernel' | 'other'

export interface PerfProfile {
  readonly samples: number
  readonly layers: ReadonlyMap<Layer, number>
  /** Optimizer tier of the JavaScript on top of the stack. */
  readonly tiers: ReadonlyMap<string, number>
  /** Self time: layer and symbol. */
  readonly symbols: ReadonlyMap<string, number>
  /** Kernel time by the system call that caused it. */
  readonly syscalls: ReadonlyMap<string, number>
  /** The same by the JavaScript function that made the call. */
  readonly callers: ReadonlyMap<string, number>
}

interface Frame {
  readonly symbol: string
  readonly object: string
}

const TIERS: Readonly<Record<string, string>> = {
  '~': 'interpreter',
  '^': 'baseline (Sparkplug)',
  '+': 'Maglev',
  '*': 'TurboFan',
}

/** Reads `perf script -F comm,tid,ip,sym,dso`: a head line per sample, its frames innermost first, an empty line. */
export function parsePerfScript(text: string): PerfProfile {
  const layers = new Map<Layer, number>()
  const tiers = new Map<string, number>()
  const symbols = new Map<string, number>()
  const syscalls = new Map<string, number>()
  const callers = new Map<string, number>()
  let samples = 0
  for (const block of text.split('\n\n')) {
    const frames = block
      .split('\n')
      .slice(1)
      .map(parseFrame)
      .filter(frame => frame !== undefined)
    const top = frames[0]
    if (!top) continue
    samples++
    const layer = layerOf(top, frames)
    add(layers, layer)
    add(symbols, `${layer}\t${pretty(top.symbol)}`)
    const tier = TIERS[/^JS:(.)/.exec(top.symbol)?.[1] ?? '']
    if (tier) add(tiers, tier)
    if (layer === 'kernel') {
      const syscall = syscallOf(frames)
      const caller = frames.find(frame => frame.symbol.startsWith('JS:'))
      add(syscalls, syscall)
      add(callers, `${syscall}\t${caller ? pretty(caller.symbol) : '(event loop)'}`)
    }
  }
  return { samples, layers, tiers, symbols, syscalls, callers }
}

function parseFrame(line: string): Frame | undefined {
  const found = /^\s*[0-9a-f]+ (.*) \(([^()]*(?:\([^()]*\))?[^()]*)\)$/.exec(line)
  return found ? { symbol: found[1] ?? '', object: found[2] ?? '' } : undefined
}

function layerOf({ symbol, object }: Frame, frames: readonly Frame[]): Layer {
  if (isKernel(object)) return 'kernel'
  if (
    frames.some(frame => /Heap::CollectGarbage|Scaveng|MarkCompact|ConcurrentMark|Sweeper/.test(frame.symbol))
  )
    return 'gc'
  if (/^JS:|^(RegExp|Eval|Script):/.test(symbol)) return 'javascript'
  if (/^Builtins?_|^BytecodeHandler:|^Builtin:/.test(symbol)) return 'v8 builtins'
  if (/v8::|^Cppgc|^cppgc/.test(symbol)) return 'v8'
  if (object.endsWith('/node')) return 'node & libuv'
  if (object.includes('perf-') || object.includes('[JIT]')) return 'javascript'
  if (/libc[.-]|libstdc|libpthread|libm[.-]|vdso/.test(object)) return 'libc'
  return 'other'
}

function isKernel(object: string): boolean {
  return object.startsWith('[kernel') || object.startsWith('[guest.kernel') || /\.ko(\.|$)/.test(object)
}

/** The frame just inside the entry of the kernel names the call: ksys_write, __sys_sendmsg, do_epoll_wait… */
function syscallOf(frames: readonly Frame[]): string {
  const entry = frames.findIndex(({ symbol }) => /^(do_syscall_64|x64_sys_call|el0_svc)/.test(symbol))
  if (entry === -1) return '(interrupts, faults)'
  const named = frames
    .slice(0, entry)
    .reverse()
    .find(({ symbol }) => /_?sys_|^do_|^ksys_/.test(symbol))
  const symbol = named?.symbol ?? frames[entry - 1]?.symbol ?? '(entry and exit)'
  return symbol
    .replace(/^__(x64|arm64|se|ia32)_sys_|^__do_sys_|^__sys_|^ksys_|^do_/, '')
    .replace(/^syscall_64$/, '(entry and exit)')
}

function pretty(symbol: string): string {
  return symbol
    .replace(/^JS:(.)'?/, '$1 ')
    .replace(/ file:\/\/\S*\/([^/]+\/[^/]+:\d+):\d+$/, ' $1')
    .replaceAll('(anonymous namespace)', '{anonymous}')
    .replace(/\(.*$/, '')
}

function add<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
