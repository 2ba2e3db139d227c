/** Hosts in processes of their own, which can be killed. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import type { Member } from '../../../cluster/membership/member.ts'

const fixture = fileURLToPath(new URL('./fixtures/host.ts', import.meta.url))

class HostProcess {
  readonly member: Member
  private readonly child: ChildProcess

  constructor(child: ChildProcess, member: Member) {
    this.child = child
    this.member = member
  }

  see(...members: Member[]): void {
    if (this.child.connected) this.child.send(members)
  }

  /** Resolves when it has gone, which may be because of what it was given. */
  async exited(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit')
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.exited()
  }
}

/** @param file gets a line for each event that the pipeline has done: its text */
export async function startHost(
  t: ExecutionContext,
  url: string,
  [name, incarnation]: readonly [name: string, incarnation: string],
  file: string,
): Promise<HostProcess> {
  const child = fork(fixture, [url, name, incarnation, file], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [member] = (await once(child, 'message')) as [Member]
  return new HostProcess(child, member)
}
