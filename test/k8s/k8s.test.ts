/** What k8s/ ships is held against the code: metrics that exist, flags that are known, a script that can be used. */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { parse, parseAllDocuments } from 'yaml'
import { buildCommand } from '../../cluster/command.ts'
import { catalogue, prometheusName } from '../../observability/metrics/catalogue.ts'
import { makeScript, runSluice } from '../support/sluice.ts'

const read = (file: string): string =>
  readFileSync(fileURLToPath(new URL(`../../k8s/${file}`, import.meta.url)), 'utf8')

const labelsOf: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  catalogue.flatMap(entry => {
    const name = prometheusName(entry)
    const labels = new Set(entry.labels)
    if (entry.type !== 'histogram') return [[name, labels]]
    return [
      [`${name}_bucket`, new Set([...labels, 'le'])],
      [`${name}_sum`, labels],
      [`${name}_count`, labels],
    ]
  }),
)

/** Labels that the one who scrapes puts on all samples. */
const ofScraper = ['job', 'instance']

/** What is wrong with a query: metrics that do not exist, and labels that they do not have. */
function complaints(query: string): string[] {
  const found: string[] = []
  const known = new Set(ofScraper)
  for (const [, name, selector = ''] of query.matchAll(
    /\b((?:sluice|http_(?:server|client))_\w+)(?:\{([^}]*)\})?/g,
  )) {
    const labels = labelsOf.get(name as string)
    if (labels === undefined) found.push(`no metric ${name}`)
    else {
      for (const label of labels) known.add(label)
      for (const [, label] of selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g))
        if (!labels.has(label as string) && !ofScraper.includes(label as string))
          found.push(`${name} has no ${label}`)
    }
  }
  for (const [, list] of query.matchAll(/\bby \(([^)]*)\)/g))
    for (const label of (list as string).split(',').map(each => each.trim()))
      if (!known.has(label)) found.push(`by (${label}): no metric here has it`)
  return found.map(each => `${each}: ${query}`)
}

interface Panel {
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly { readonly expr: string }[]
}

test('every query of the dashboard is about metrics and labels that exist', t => {
  const { panels } = JSON.parse(read('grafana/sluice.json')) as { panels: Panel[] }
  const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  t.true(queries.length > 20)
  t.deepEqual(queries.flatMap(complaints), [])
})

test('no two panels of the dashboard lie over each other, and all are within its width', t => {
  const { panels } = JSON.parse(read('grafana/sluice.json')) as { panels: Panel[] }
  const taken = new Map<string, string>()
  for (const {
    title,
    gridPos: { x, y, w, h },
  } of panels) {
    t.true(x + w <= 24, title)
    for (let column = x; column < x + w; column++)
      for (let line = y; line < y + h; line++) {
        t.is(taken.get(`${column},${line}`), undefined, title)
        taken.set(`${column},${line}`, title)
      }
  }
})

test('every alert is about metrics that exist, and says what is the matter', t => {
  const { groups } = parse(read('alerts.yaml')) as {
    groups: { rules: { alert: string; expr: string; annotations: { summary: string } }[] }[]
  }
  const rules = groups.flatMap(({ rules }) => rules)
  t.true(rules.length > 5)
  t.deepEqual(
    rules.flatMap(({ expr }) => complaints(expr)),
    [],
  )
  for (const { alert, annotations } of rules) t.true(annotations.summary.length > 10, alert)
})

interface Manifest {
  readonly kind: string
  readonly data: Readonly<Record<string, string>>
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly {
          readonly args: readonly string[]
          readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
          readonly livenessProbe: { readonly httpGet: { readonly path: string; readonly port: string } }
          readonly readinessProbe: { readonly httpGet: { readonly path: string; readonly port: string } }
        }[]
      }
    }
  }
}

const manifests = (): Manifest[] =>
  parseAllDocuments(read('sluice.yaml')).map(each => each.toJS() as Manifest)

test("the Deployment's flags are known, and its probes ask what the admin port answers", t => {
  const container = manifests().find(({ kind }) => kind === 'Deployment')?.spec.template.spec.containers[0]
  if (container === undefined) return t.fail('there is no Deployment')
  const command = buildCommand(2)
  command.parse([...container.args], { from: 'user' })
  const { adminPort, threads } = command.opts<{ adminPort: { port: number }; threads: number }>()
  const ports = new Map(container.ports.map(({ name, containerPort }) => [name, containerPort]))
  t.is(ports.get('admin'), adminPort.port)
  t.is(threads, 2)
  t.deepEqual(container.livenessProbe.httpGet, { path: '/healthz', port: 'admin' })
  t.deepEqual(container.readinessProbe.httpGet, { path: '/readyz', port: 'admin' })
})

test('the script of the ConfigMap can be used', async t => {
  const script = manifests().find(({ kind }) => kind === 'ConfigMap')?.data['main.ts'] as string
  const { code, stderr } = await runSluice(t, [makeScript(t, script), '--verify'])
  t.is(code, 0, stderr)
})
