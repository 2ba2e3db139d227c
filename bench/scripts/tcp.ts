import { os, sluice } from 'sluice'

export default sluice()
  .listen(Number(os.env.PORT ?? 8000))
  .connect(os.env.ORIGIN ?? '127.0.0.1:8080')
