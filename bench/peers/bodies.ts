/** The small answer of the origin, at `/`: 128 bytes. */
export const SMALL_BODY = 'an answer of the usual size. '.repeat(5).slice(0, 128)
/** The large answer of the origin, at `/1m`. */
export const LARGE_BYTES = 2 ** 20

/** The JSON answer of the origin, at `/json`: an order of about 1 KiB. */
export const JSON_BODY = JSON.stringify({
  id: 'order-4711',
  customer: { id: 'c-42', name: 'Alice', secret: 'not for the client' },
  items: Array.from({ length: 14 }, (_, i) => ({
    sku: `sku-${1000 + i}`,
    name: `Product ${i}`,
    quantity: i + 1,
    price: 9.95,
  })),
})

/** What a proxy does with it: takes a secret out and adds a sum. The same in bench/scripts/json.ts. */
export function rewriteJSON(text: string): string {
  const order = JSON.parse(text)
  order.customer.secret = undefined
  order.total = order.items.length
  return JSON.stringify(order)
}

/** The text of the origin, at `/text`: 16 KiB that compress about as well as a page does. */
export const TEXT_BODY = Array.from(
  { length: 512 },
  (_, i) => `line ${(i * 2_654_435_761) % 100_000} of a page, `,
)
  .join('')
  .padEnd(16_384, '.')
  .slice(0, 16_384)
