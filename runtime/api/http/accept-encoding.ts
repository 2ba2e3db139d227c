/**
 * Weight of each content coding that an Accept-Encoding field names (RFC 9110 §12.5.3), in small letters. One that is
 * refused with `q=0` is there with weight 0.
 */
export function parseAcceptEncoding(field: unknown): ReadonlyMap<string, number> {
  const weights = new Map<string, number>()
  if (typeof field !== 'string') return weights
  for (const item of field.split(',')) {
    const [name = '', ...parameters] = item.split(';')
    const coding = name.trim().toLowerCase()
    if (coding === '') continue
    const quality = parameters.map(p => /^\s*q\s*=\s*([\d.]+)\s*$/i.exec(p)?.[1]).find(q => q !== undefined)
    const weight = quality === undefined ? 1 : Number(quality)
    weights.set(coding, Number.isFinite(weight) ? Math.min(1, Math.max(0, weight)) : 0)
  }
  return weights
}

/**
 * The coding to answer with: of those that can be had, the one that the client likes best, and of equals the first.
 * Undefined: as it is.
 */
export function chooseEncoding<C extends string>(
  weights: ReadonlyMap<string, number>,
  available: readonly C[],
): C | undefined {
  let chosen: C | undefined
  let best = 0
  for (const coding of available) {
    const weight = weights.get(coding) ?? weights.get('*') ?? 0
    if (weight > best) {
      chosen = coding
      best = weight
    }
  }
  return chosen
}
