import { defaultLimits, HessianReader, HessianWriter, setTag, tagOf } from '../codec/hessian/index.ts'
import { Data } from '../data.ts'

/**
 * Hessian 2.0, in which Dubbo writes bodies, as JavaScript values:
 *
 * | Hessian                | JavaScript                                                                          |
 * |------------------------|-------------------------------------------------------------------------------------|
 * | null, boolean, string  | null, boolean, string                                                               |
 * | int, long, double      | number; a bigint where a long is beyond 2^53, which JSON.encode writes as it is      |
 * | date                   | Date                                                                                |
 * | binary                 | Data                                                                                |
 * | list                   | array                                                                               |
 * | map                    | object; Map when a key is no string                                                 |
 * | object of a class      | object with its fields                                                              |
 * | reference              | the same object again, also inside itself                                           |
 *
 * The names of types are kept beside the values: see `typeOf`.
 */
export const Hessian = {
  /**
   * What bytes hold: the value, or an array of them when there are several, as in the body of a Dubbo request. Null
   * for no bytes.
   *
   * @throws TrafficError `ProtocolError` when the bytes are not Hessian 2.0, when values are nested deeper than 256, or
   *   when there are more than 1048576 (those referred to several times counted each time).
   */
  // biome-ignore lint/suspicious/noExplicitAny: like JSON.parse, since what comes is for the caller to know.
  decode(data: Data | null | undefined): any {
    const values = Hessian.decodeAll(data)
    return values.length > 1 ? values : (values[0] ?? null)
  },

  /** The same, always as an array. */
  // biome-ignore lint/suspicious/noExplicitAny: see decode
  decodeAll(data: Data | null | undefined): any[] {
    return data === null || data === undefined ? [] : new HessianReader(data, defaultLimits).readAll()
  },

  /**
   * Values as bytes: an array gives its elements one after the other, as the body of a Dubbo message wants them;
   * anything else is one value. Write `[list]` for one list. A whole number is an int or, above 32 bits, a long; a
   * bigint is a long; a Set is a list; what is no data (functions, symbols, undefined) is null.
   *
   * @throws TrafficError `RuntimeError` on a bigint above 64 bits and on values nested deeper than 256.
   */
  encode(value: unknown): Data {
    const writer = new HessianWriter()
    if (Array.isArray(value)) for (const element of value) writer.write(element)
    else writer.write(value)
    return Data.over(writer.take())
  },

  /** The Java type that a decoded value came with, or that `typed` gave it. */
  typeOf(value: unknown): string | undefined {
    return typeof value === 'object' && value !== null ? tagOf(value)?.name : undefined
  },

  /**
   * Gives a value the type that it is encoded with: an object becomes an instance of that class, a Map or array a map
   * or list of that type. Returns the value.
   */
  typed<T extends object>(type: string, value: T): T {
    setTag(value, type, !Array.isArray(value) && !(value instanceof Map) && !(value instanceof Set))
    return value
  },
} as const
