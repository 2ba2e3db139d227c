/** What Hessian costs. Run with `node bench/micro/hessian.ts`. */

import { Hessian } from '../../runtime/api/hessian.ts'
import { measureRate } from '../harness/rate.ts'

const service = 'org.apache.dubbo.demo.DemoService'
const user = (i: number) =>
  Hessian.typed('org.apache.dubbo.demo.User', {
    id: 1_000_000 + i,
    name: `user ${i}`,
    email: `user${i}@example.com`,
    isActive: i % 2 === 0,
    balance: i + 0.25,
    tags: ['a', 'b'],
  })

const samples: Record<string, unknown[]> = {
  'call body': [
    '2.0.2',
    service,
    '0.0.0',
    'sayHello',
    'Ljava/lang/String;',
    'world',
    { path: service, version: '0.0.0' },
  ],
  '100 objects': [Array.from({ length: 100 }, (_, i) => user(i))],
  'text of 16 KiB': ['x'.repeat(16_384)],
  'text of 16 Ki Chinese characters': ['中'.repeat(16_384)],
}

let seen = 0
for (const [name, sample] of Object.entries(samples)) {
  const bytes = Hessian.encode(sample)
  const what = { bytes: bytes.size, messages: 1 }
  measureRate(`hessian decode ${name}`, what, () => {
    seen += Hessian.decodeAll(bytes).length
  })
  measureRate(`hessian encode ${name}`, what, () => {
    seen += Hessian.encode(sample).size
  })
}

if (seen === 0) throw new Error('nothing was measured')
