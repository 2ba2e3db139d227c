import process from 'node:process'

const rounds = 10
const roundMs = 40

/**
 * How fast `once` handles `messages` messages of `bytes` bytes together, as one line of JSON: the best of several
 * rounds, since everything that disturbs a measurement makes it slower.
 */
export function measureRate(
  bench: string,
  what: { bytes: number; messages: number },
  once: () => unknown,
): void {
  let calls = 1
  let best = 0
  // Rounds become as long as the clock needs; the first ones warm up.
  for (let round = 0; round < rounds; ) {
    const began = process.hrtime.bigint()
    for (let i = 0; i < calls; i++) once()
    const seconds = Number(process.hrtime.bigint() - began) / 1e9
    if (seconds * 1000 < roundMs) {
      calls *= 2
      continue
    }
    best = Math.max(best, calls / seconds)
    round++
  }
  const line = {
    bench,
    messageBytes: Math.round(what.bytes / what.messages),
    messagesPerSecond: Math.round(best * what.messages),
    megabytesPerSecond: Math.round((best * what.bytes) / 1e6),
    nsPerMessage: Math.round(1e9 / (best * what.messages)),
  }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
