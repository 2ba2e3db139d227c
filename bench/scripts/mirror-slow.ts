import { Message } from 'sluice'
import { beside, mirrored } from '../harness/mirrored.ts'

/** A mirror that answers each request a second late. */
export default mirrored(beside)
  .listen(beside)
  .serveHTTP(
    () =>
      new Promise<Message>(resolve => setTimeout(() => resolve(new Message({ status: 200 }, 'late')), 1000)),
  )
