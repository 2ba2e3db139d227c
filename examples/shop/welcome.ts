import { type HTTPRequestHead, Message } from 'sluice'
import { addresses } from './ports.ts'

const shop = `localhost:${addresses.shop}`

/** What to try, for the terminal and for the front page. */
export const suggestions = [
  `curl ${shop}/catalog`,
  `curl -i ${shop}/catalog/teapot        # again and again: x-served-by goes round`,
  `curl ${shop}/cart/alice -d '{"item":"cup"}'`,
  `curl -i ${shop}/cart/alice            # alice always comes to the same cart service`,
]

const page = `Welcome to the shop.\n\nTry:\n\n${suggestions.map(line => `  ${line}\n`).join('')}
Each request and its response is in the collector's log within half a second.\n`

/** Answered by Sluice itself, without any service. */
export function welcome(request: Message<HTTPRequestHead>): Message {
  const isFound = request.head.path === '/'
  const headers = { 'content-type': 'text/plain; charset=utf-8' }
  return new Message(
    { status: isFound ? 200 : 404, headers },
    isFound ? page : `There is no ${request.head.path} here.\n`,
  )
}
