/** Answers requests without the right token itself; `isAnswered` sends the answer back instead of on. */

import { type HTTPRequestHead, Message, os, sluice } from 'sluice'

const expected = `Bearer ${os.env.TOKEN ?? 'secret'}`

export const auth = sluice()
  .import<{ isAnswered: boolean }>({ isAnswered: 'proxy' })
  .pipeline('request')
  .handleMessageStart((start, ctx) => {
    ctx.isAnswered = (start.head as HTTPRequestHead).headers.authorization !== expected
  })
  .branch(
    ctx => ctx.isAnswered,
    $ => $.replaceMessage(new Message({ status: 401 }, 'Who are you?\n')),
    '',
  )
