/**
 * The filters that choose one of several pipelines, as scripts see them: part of types.ts, under the same rules. Up to three
 * conditions are typed one by one, so that their callbacks are; more can be given as names of pipelines.
 */

import type { Head, Message, MessageStart } from '../../runtime/event.ts'
import type { AnyStage, Ctx, FromContext, Kind, Stage, Sub } from './types.ts'

/** Where a stream stands behind a sub-pipeline that ends at R. */
type Restaged<V, R, T extends boolean> =
  R extends Stage<infer _V, infer K, infer H, infer _T> ? Stage<V, K, H, T> : Stage<V, 'any', Head, T>

export interface BranchFilters<V, K extends Kind, H extends Head, T extends boolean> {
  /** Sends events to one of several pipelines */
  branch<R extends AnyStage>(
    when: FromContext<V, unknown>,
    target: ($: Stage<V, K, H, false>) => R,
    otherwise?: Sub<V, K, H>,
  ): Restaged<V, R, T>
  branch<R extends AnyStage>(
    when: FromContext<V, unknown>,
    target: ($: Stage<V, K, H, false>) => R,
    when2: FromContext<V, unknown>,
    target2: Sub<V, K, H>,
    otherwise?: Sub<V, K, H>,
  ): Restaged<V, R, T>
  branch<R extends AnyStage>(
    when: FromContext<V, unknown>,
    target: ($: Stage<V, K, H, false>) => R,
    when2: FromContext<V, unknown>,
    target2: Sub<V, K, H>,
    when3: FromContext<V, unknown>,
    target3: Sub<V, K, H>,
    otherwise?: Sub<V, K, H>,
  ): Restaged<V, R, T>
  branch(when: FromContext<V, unknown>, target: string, otherwise?: Sub<V, K, H>): Stage<V, 'any', Head, T>
  branch(
    when: FromContext<V, unknown>,
    target: string,
    when2: FromContext<V, unknown>,
    target2: Sub<V, K, H>,
    otherwise?: Sub<V, K, H>,
  ): Stage<V, 'any', Head, T>
  branch(
    when: FromContext<V, unknown>,
    target: string,
    ...more: (string | FromContext<V, unknown>)[]
  ): Stage<V, 'any', Head, T>
  /** Sends events to a different pipeline */
  link(target: string, ...more: (string | FromContext<V, unknown>)[]): Stage<V, 'any', Head, T>
}

type Asked<V, S> = (subject: S, ctx: Ctx<V>) => unknown

/** Chooses by what S is of a message. */
interface BranchBy<V, S, H extends Head, T extends boolean> {
  (
    when: Asked<V, S>,
    target: Sub<V, 'messages', H>,
    otherwise?: Sub<V, 'messages', H>,
  ): Stage<V, 'any', Head, T>
  (
    when: Asked<V, S>,
    target: Sub<V, 'messages', H>,
    when2: Asked<V, S>,
    target2: Sub<V, 'messages', H>,
    otherwise?: Sub<V, 'messages', H>,
  ): Stage<V, 'any', Head, T>
  (
    when: Asked<V, S>,
    target: Sub<V, 'messages', H>,
    when2: Asked<V, S>,
    target2: Sub<V, 'messages', H>,
    when3: Asked<V, S>,
    target3: Sub<V, 'messages', H>,
    otherwise?: Sub<V, 'messages', H>,
  ): Stage<V, 'any', Head, T>
}

export interface BranchFiltersOnMessages<V, H extends Head, T extends boolean> {
  /** Sends events to one of several pipelines, by the MessageStart event */
  branchMessageStart: BranchBy<V, MessageStart<H>, H, T>
  /** Sends events to one of several pipelines, by the complete message */
  branchMessage: BranchBy<V, Message<H>, H, T>
}
