import { hostname } from 'node:os'
import type { InstrumentationScope } from '@opentelemetry/core'
import { defaultResource, type Resource, resourceFromAttributes } from '@opentelemetry/resources'

/** What a process says of itself to a collector. */
export interface Identity {
  /** Its name among the nodes of a cluster. */
  readonly name: string
  readonly uuid: string
  readonly version: string
  readonly pid: number
}

/** Who sends: what the process knows of itself, under what its environment says of it. */
export function resourceOf(identity: Identity, attributes: Readonly<Record<string, string>>): Resource {
  return defaultResource().merge(
    resourceFromAttributes({
      'service.name': 'sluice',
      'service.version': identity.version,
      'service.instance.id': identity.uuid,
      'host.name': hostname(),
      'process.pid': identity.pid,
      'process.runtime.name': 'nodejs',
      'sluice.node.name': identity.name,
      ...attributes,
    }),
  )
}

/** Who has made the spans, records and metrics. */
export const scopeOf = ({ version }: Identity): InstrumentationScope => ({ name: 'sluice', version })
