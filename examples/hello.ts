/**
 * A web server. Each request is handed to a function as a whole message; what the function returns is the response.
 *
 *     sluice examples/hello.ts      curl localhost:8000/world
 */

import { Message, os, sluice } from 'sluice'

export default sluice()
  .listen(Number(os.env.PORT ?? 8000))
  .serveHTTP(request => new Message({ status: 200 }, `Hello, ${request.head.path}\n`))
