import { fileURLToPath } from 'node:url'

export default {
  files: ['test/**/*.test.ts'],
  extensions: { ts: 'module' },
  timeout: '2m',
  // A thread of the runner that ended while sockets were being reset spun in Node's clean-up now and then (2026-11).
  workerThreads: false,
  // What one test file has compiled the next one takes: a third of the CPU of a run.
  environmentVariables: {
    NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/compiled', import.meta.url)),
  },
}
