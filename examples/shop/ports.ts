import { os } from 'sluice'

const first = Number(os.env.PORT ?? 8000)
const local = (port: number): string => `127.0.0.1:${port}`

/** Who listens where: the shop for everybody, the rest for this machine alone. `PORT=9000 npm start` moves them all. */
export const addresses = {
  shop: first,
  catalog: [local(first + 1), local(first + 2)],
  cart: [local(first + 3), local(first + 4)],
  collector: local(first + 5),
} as const
