import { Message, os, sluice } from 'sluice'

const hello = new Message({ headers: { 'content-type': 'text/plain' } }, 'Hello, world!\n')

export default sluice()
  .listen(Number(os.env.PORT ?? 8000))
  .serveHTTP(hello)
