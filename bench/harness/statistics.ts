/** The middle value; of an even number the mean of the two in the middle. NaN of nothing. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

/** Half the range as a share of the median: 0.03 reads "± 3 %". How far to trust a figure of these rounds. */
export function spread(values: readonly number[]): number {
  const middle = median(values)
  if (values.length < 2 || middle === 0) return 0
  return (Math.max(...values) - Math.min(...values)) / 2 / middle
}

/** The list started at another place each round, so that no server always runs first, or always after the same one. */
export function rotate<T>(items: readonly T[], by: number): T[] {
  const start = items.length === 0 ? 0 : by % items.length
  return [...items.slice(start), ...items.slice(0, start)]
}
