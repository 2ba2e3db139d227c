import { readFileSync } from 'node:fs'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { Data, Message } from '../../event.ts'
import { codebase } from '../../script/codebase.ts'
import { chooseEncoding, parseAcceptEncoding } from './accept-encoding.ts'
import { defaultContentTypes, extensionOf, unknownContentType } from './content-types.ts'

interface Variants {
  readonly path: string
  readonly plain: Data | null
  readonly gz: Data | null
  readonly br: Data | null
}

/**
 * A file read once, to answer requests with. Where there is a file of the same name with `.br` or `.gz` added, it is
 * what clients get who accept it.
 *
 * @example
 *   const page = http.File.from('www/index.html')
 *   page.toMessage(msg.head.headers['accept-encoding'])
 */
export class File {
  readonly path: string
  private readonly contentType: string
  private readonly variants: Variants
  private readonly messages = new Map<string, Message>()

  /**
   * @param path relative to the script; a folder stands for its `index.html`.
   * @throws Error when there is no such file.
   */
  constructor(path: string) {
    const file = codebase.pathOf(path)
    const variants = read(file) ?? read(`${file.replace(/\/$/, '')}/index.html`)
    if (variants === undefined) throw new Error(`there is no file ${file}`)
    this.path = path
    this.variants = variants
    this.contentType = defaultContentTypes[extensionOf(variants.path)] ?? unknownContentType
  }

  /** The file; null when there is none. */
  static from(path: string): File | null {
    try {
      return new File(path)
    } catch {
      return null
    }
  }

  /** A response with the file in it; always the same one for the same encoding. */
  toMessage(acceptEncoding?: string | null): Message {
    const { gz, br } = this.variants
    const available = [...(br === null ? [] : ['br' as const]), ...(gz === null ? [] : ['gzip' as const])]
    const encoding = chooseEncoding(parseAcceptEncoding(acceptEncoding), available)
    const made = this.messages.get(encoding ?? '')
    if (made !== undefined) return made
    const headers: Record<string, string> = { 'content-type': this.contentType }
    if (encoding !== undefined) headers['content-encoding'] = encoding
    if (available.length > 0) headers.vary = 'accept-encoding'
    const body = encoding === 'br' ? br : encoding === 'gzip' ? gz : this.plain()
    const message = new Message({ status: 200, headers }, body ?? undefined)
    this.messages.set(encoding ?? '', message)
    return message
  }

  private plain(): Data | null {
    const { plain, gz, br } = this.variants
    if (plain !== null) return plain
    if (gz !== null) return Data.over(gunzipSync(gz.bytes()))
    return br === null ? null : Data.over(brotliDecompressSync(br.bytes()))
  }
}

function read(path: string): Variants | undefined {
  const variants = { path, plain: bytes(path), gz: bytes(`${path}.gz`), br: bytes(`${path}.br`) }
  return variants.plain || variants.gz || variants.br ? variants : undefined
}

function bytes(path: string): Data | null {
  try {
    return Data.over(readFileSync(path))
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as { code?: string }).code ?? '')) return null
    throw error
  }
}
