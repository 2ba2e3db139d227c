/** Counts of what the profilers do not show: system calls per request, and code that V8 optimized and threw away. */

/** The table of `strace -c`: system call to number of calls. */
export function parseStraceSummary(text: string): Map<string, number> {
  const calls = new Map<string, number>()
  for (const line of text.split('\n')) {
    // % time, seconds, usecs/call, calls, [errors], syscall
    const found = /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$/.exec(line)
    if (found && found[2] !== 'total') calls.set(found[2] ?? '', Number(found[1]))
  }
  return calls
}

/** `--trace-deopt` output: function and reason to how often it happened. */
export function parseDeopts(text: string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const found of text.matchAll(/bailout \(kind: ([\w-]+), reason: ([^)]*)\).*?<JSFunction ([^ >]*)/g)) {
    const key = `${found[3] || '(anonymous)'}: ${found[2]} (${found[1]})`
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}
