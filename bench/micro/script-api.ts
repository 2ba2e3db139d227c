/** What scripts call per request: JSON in and out of Data, and finding a route. Run with `node bench/micro/script-api.ts`. */

import { Buffer } from 'node:buffer'
import { algo, dataJSON } from '../../runtime/api/index.ts'
import { Data } from '../../runtime/data.ts'
import { measureRate } from '../harness/rate.ts'

let seen = 0

for (const items of [1, 100]) {
  const value = Array.from({ length: items }, (_, i) => ({ id: i, name: `item number ${i}`, isNew: true }))
  const body = new Data(Buffer.from(JSON.stringify(value)))
  const what = { bytes: body.size, messages: 1 }
  measureRate(`json decode ${items} objects`, what, () => {
    seen += (dataJSON.decode(body) as unknown[]).length
  })
  measureRate(`json encode ${items} objects`, what, () => {
    seen += dataJSON.encode(value)?.size ?? 0
  })
}

for (const count of [100, 10_000]) {
  const paths = Array.from({ length: count }, (_, i) => `/api/v${i % 10}/service-${i}/items`)
  const routes = Object.fromEntries(paths.map((path, i) => [`${path}/*`, i]))
  const router = new algo.URLRouter({ ...routes, 'shop.example.com/*': -1 })
  const requests = paths.map(path => `${path}/4711?page=2`)
  const bytes = requests.reduce((sum, path) => sum + path.length, 0)
  measureRate(`url router, ${count} routes`, { bytes, messages: count }, () => {
    for (const path of requests) if (router.find('other.example.com', path) !== undefined) seen++
  })
}

if (seen === 0) throw new Error('nothing was measured')
