/**
 * Serves the files of a folder, compressed as the client can read them, with ETags and ranges; what is not there is 404.
 * Names cannot lead out of the folder, and dot files stay hidden.
 *
 *     sluice examples/static-files/main.ts      curl localhost:8000/
 */

import { http, Message, os, sluice } from 'sluice'

const files = new http.Directory('www')

export default sluice()
  .listen(Number(os.env.PORT ?? 8000))
  .serveHTTP(request => files.serve(request) ?? new Message({ status: 404 }, 'There is no such file\n'))
