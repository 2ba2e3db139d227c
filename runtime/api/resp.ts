import { encodeRESP, RESPDecoder, type RESPValue } from '../codec/resp/index.ts'
import { Data } from '../data.ts'
import { TrafficError } from '../errors.ts'

/** Values of Redis (RESP 2 and 3); what becomes of each type is told with decodeRESP. */
export const RESP = {
  /**
   * The values that bytes hold, one after the other. A last one that is not whole is left out.
   *
   * @throws TrafficError `ProtocolError` when the bytes are not RESP.
   */
  decode(data: Data | null | undefined): RESPValue[] {
    const values: RESPValue[] = []
    if (data === null || data === undefined) return values
    const decoder = new RESPDecoder({
      start: () => {},
      body: () => {},
      end: payload => values.push(payload),
      violation: ({ reason }) => {
        throw new TrafficError('ProtocolError', reason)
      },
    })
    decoder.decode(data.buffer, data.start, data.end)
    return values
  },

  /**
   * A value as bytes.
   *
   * @throws TrafficError `RuntimeError` on a value that contains itself.
   */
  encode: (value: RESPValue): Data => Data.over(encodeRESP(value)),
} as const
