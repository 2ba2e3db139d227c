import { type HTTPRequestHead, JSON, Message } from 'sluice'

/**
 * One instance of the cart service: `POST /cart/<customer>` with `{"item":"cup"}` puts an item in, `GET` shows what is
 * in. It remembers its carts in memory, so all requests of a customer have to come to the same instance.
 */
export function cart(instance: string) {
  const carts = new Map<string, string[]>()

  return (request: Message<HTTPRequestHead>) => {
    const [, , customer = ''] = request.head.path.split('/')
    const items = carts.get(customer) ?? []
    const headers = { 'content-type': 'application/json', 'x-served-by': instance }
    if (request.head.method === 'POST') {
      const { item } = JSON.decode(request.body) ?? {}
      if (typeof item !== 'string')
        return new Message({ status: 400, headers }, JSON.encode({ error: 'Send {"item":"<product>"}' }))
      items.push(item)
      carts.set(customer, items)
    }
    return new Message({ status: 200, headers }, JSON.encode({ customer, items }))
  }
}
