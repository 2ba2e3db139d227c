import { algo, os, sluice } from 'sluice'

const origin = os.env.ORIGIN ?? '127.0.0.1:8080'

const router = new algo.URLRouter<string>()
for (let i = 0; i < 10_000; i++) router.add(`svc-${i}.shop.example/*`, origin)

export default sluice({ target: '' })
  .listen(Number(os.env.PORT ?? 8000))
  .demuxHTTP()
  .to($ =>
    $.handleMessageStart(({ head }, ctx) => {
      ctx.target = router.find(head.headers.host, head.path) ?? origin
    })
      .muxHTTP(ctx => ctx.target)
      .to($ => $.connect(ctx => ctx.target)),
  )
