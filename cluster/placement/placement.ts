import { threadOfShard } from '../../actors/shared/cluster-link.ts'
import type { SharedPipeline } from '../../actors/shared/shared-pipelines.ts'
import { hash } from '../../runtime/api/algo/hash.ts'
import { type Member, type Place, speaksWith } from '../membership/member.ts'
import { ownerOf } from './rendezvous.ts'

type Sharded = Pick<SharedPipeline, 'name' | 'shards'>

/**
 * Which keys live where, as this node sees it: key → shard by hash, shard → node by rendezvous over the nodes that host
 * the pipeline and serve, shard → thread of that node. Computed once per change of the nodes, so that finding a key's
 * place costs one hash.
 */
export class Placement {
  private members = new Map<string, Member>()
  /** By pipeline: its nodes, and the owner of each shard as far as it was asked for. */
  private readonly pipelines = new Map<
    string,
    {
      readonly hosts: readonly Member[]
      readonly names: readonly string[]
      readonly owners: (Member | undefined)[]
    }
  >()

  update(members: readonly Member[]): void {
    this.members = new Map(members.map(member => [member.name, member]))
    this.pipelines.clear()
  }

  get all(): readonly Member[] {
    return [...this.members.values()]
  }

  member(name: string): Member | undefined {
    return this.members.get(name)
  }

  /** Whether this life of a thread is still there. */
  isThere({ node, incarnation, thread, life }: Place): boolean {
    const member = this.members.get(node)
    return member?.incarnation === incarnation && member.threads[thread] === life
  }

  /** The place of this id, when it is there. */
  placeOf(id: string): Place | undefined {
    const [incarnation, slot, life] = id.split('.')
    const member = this.all.find(each => each.incarnation === incarnation)
    if (member === undefined) return undefined
    const place = {
      node: member.name,
      incarnation: member.incarnation,
      thread: Number(slot),
      life: Number(life),
    }
    return this.isThere(place) ? place : undefined
  }

  shardOf({ name, shards }: Sharded, key: string): number {
    return hash(`${name}\0${key}`) % shards
  }

  /** The nodes that take new messages for a pipeline. */
  hostsOf(pipeline: string): readonly Member[] {
    return this.of(pipeline).hosts
  }

  /** The node that a shard belongs to; undefined while nobody hosts the pipeline. */
  ownerOf({ name, shards }: Sharded, shard: number): Member | undefined {
    const { names, owners } = this.of(name)
    if (names.length === 0) return undefined
    if (owners.length !== shards) owners.length = shards
    owners[shard] ??= this.members.get(ownerOf(name, shard, names) as string)
    return owners[shard]
  }

  /** The thread of a node that has a shard; its life is 0 while it is not there. */
  placeOn(member: Member, shard: number): Place {
    const thread = threadOfShard(shard, Math.max(1, member.threads.length))
    return { node: member.name, incarnation: member.incarnation, thread, life: member.threads[thread] ?? 0 }
  }

  private of(pipeline: string): NonNullable<ReturnType<typeof this.pipelines.get>> {
    let known = this.pipelines.get(pipeline)
    if (known === undefined) {
      const able = this.all.filter(member => speaksWith(member) && member.pipelines.includes(pipeline))
      const serving = able.filter(({ state }) => state === 'serving')
      // The last ones that drain go on with it, since nobody can take it from them.
      const hosts = serving.length > 0 ? serving : able
      known = { hosts, names: hosts.map(({ name }) => name), owners: [] }
      this.pipelines.set(pipeline, known)
    }
    return known
  }
}
