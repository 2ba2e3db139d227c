import { isName, optional } from '../../runtime/options.ts'

/** The option of all sources that keeps one from nodes which are there for something else. */
export const sourceRole = optional(
  "a name of letters, digits, '-' and '_'",
  'Nodes that were started with --roles run it only if this is among them; a node without --roles does. Without a role all nodes run it.',
  isName,
)
