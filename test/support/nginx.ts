/** The nginx of this machine, for tests that hold Sluice against it. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { freePorts } from './free-ports.ts'
import { makeFolder } from './sluice.ts'
import { systemEnv } from './system-programs.ts'

/** Whether there is one: on Debian it comes with `apt install nginx-light`. */
export const hasNginx = spawnSync('nginx', ['-v'], { env: systemEnv }).error === undefined

/** Starts it with these lines inside of its one server; it is gone when the test is over. Returns its port. */
export async function startNginx(t: ExecutionContext, lines: readonly string[]): Promise<number> {
  const port = await freePorts(1)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const folder = makeFolder(t, {
    'nginx.conf': [
      'daemon off; master_process off; pid nginx.pid; error_log error.log;',
      'events { worker_connections 256; }',
      'http {',
      'access_log off;',
      ...temporary.map(name => `${name}_temp_path ${name};`),
      `server { listen 127.0.0.1:${port};`,
      ...lines,
      '} }',
    ].join('\n'),
  })
  const nginx = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], {
    stdio: 'ignore',
    env: systemEnv,
  })
  t.teardown(() => end(nginx))
  await listening(port, nginx)
  return port
}

function end(child: ChildProcess): Promise<unknown> {
  const ended = new Promise(resolve => child.once('close', resolve))
  if (child.exitCode !== null) return Promise.resolve()
  child.kill('SIGKILL')
  return ended
}

/** Resolves when connections are accepted; rejects when it ends before. */
async function listening(port: number, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const isUp = await new Promise<boolean>(resolve => {
      const socket = connect({ port, host: '127.0.0.1' })
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('close', () => socket.destroy())
    })
    if (isUp) return
  }
  throw new Error(`nginx ended with ${child.exitCode}`)
}
