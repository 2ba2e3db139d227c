/** The other side of `threads.ts`: what a fixture that runs in a worker thread begins with. */

import { type MessagePort, parentPort } from 'node:worker_threads'
import { Mesh } from '../../runtime/pool/mesh.ts'

type Notice =
  | { kind: 'join'; thread: number; life: number; peer: number; peerLife: number; port: MessagePort }
  | { kind: 'leave'; peer: number; peerLife: number }
  | { kind: 'say' }

/** Joins the mesh; `ready` is called with it once, `hear` with whatever else the test says. */
export function joinMesh(ready: (mesh: Mesh) => void, hear: (message: never) => void = () => {}): void {
  let mesh: Mesh | undefined
  parentPort?.on('message', (notice: Notice) => {
    if (notice.kind === 'join') {
      const isFirst = mesh === undefined
      mesh ??= new Mesh(notice.thread)
      mesh.connect(notice.peer, notice.peerLife, notice.port)
      if (isFirst) ready(mesh)
    } else if (notice.kind === 'leave') mesh?.disconnect(notice.peer, notice.peerLife)
    else hear(notice as never)
  })
}

/** Tells the test. */
export const tellTest = (message: unknown): void => parentPort?.postMessage(message)
