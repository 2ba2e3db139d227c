import { wallMs } from '../../../runtime/clock.ts'

let second = 0
let text = ''

/** The current time as HTTP writes it (RFC 9110 §5.6.7), made once a second. */
export function httpDate(): string {
  const now = Math.floor(wallMs() / 1000)
  if (now !== second) {
    second = now
    text = new Date(now * 1000).toUTCString()
  }
  return text
}
