import { type HTTPRequestHead, JSON, Message } from 'sluice'

const products = [
  { id: 'teapot', name: 'A teapot, short and stout', price: 18 },
  { id: 'kettle', name: 'A kettle that sings', price: 25 },
  { id: 'cup', name: 'A cup that holds a quarter of a litre', price: 4 },
]

/** One instance of the catalog service: `/catalog` lists all products, `/catalog/<id>` shows one. */
export const catalog = (instance: string) => (request: Message<HTTPRequestHead>) => {
  const [, , id] = request.head.path.split('/')
  const found = id ? products.find(product => product.id === id) : products
  return new Message(
    { status: found ? 200 : 404, headers: { 'content-type': 'application/json', 'x-served-by': instance } },
    JSON.encode(found ?? { error: `There is no product '${id}'` }),
  )
}
