import { hash } from '../../runtime/api/algo/hash.ts'

/**
 * The one of these nodes that a shard belongs to: the one with the highest score. Every node computes the same without
 * asking; when one goes only its own shards move, each to any of the others, and when one comes it takes its part from
 * all (rendezvous hashing: Thaler and Ravishankar, 1998).
 *
 * @param nodes in any order, which must not matter: a tie goes to the lower name
 */
export function ownerOf(pipeline: string, shard: number, nodes: readonly string[]): string | undefined {
  let owner: string | undefined
  let highest = -1
  for (const node of nodes) {
    const score = hash(`${node}\0${pipeline}\0${shard}`)
    if (score < highest || (score === highest && owner !== undefined && owner < node)) continue
    owner = node
    highest = score
  }
  return owner
}
