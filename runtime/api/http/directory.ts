import { resolve } from 'node:path'
import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib'
import { TrafficError } from '../../errors.ts'
import { Data, Message } from '../../event.ts'
import { flag, isFunction, isText, optional, parseOptions, show } from '../../options.ts'
import { codebase } from '../../script/codebase.ts'
import { Cache } from '../algo/cache.ts'
import { chooseEncoding, parseAcceptEncoding } from './accept-encoding.ts'
import { parseRange } from './byte-range.ts'
import { defaultContentTypes, extensionOf, unknownContentType } from './content-types.ts'
import { FileTree, type Stored } from './file-tree.ts'

/** What `serve` looks at in a request. */
export interface FileRequestHead {
  method?: string | undefined
  path?: string | undefined
  headers?: Readonly<Record<string, unknown>> | undefined
}

type ContentTypes = Readonly<Record<string, string>>
export type Compression = 'gzip' | 'br' | 'deflate'

export interface DirectoryOptions {
  /** Whether `path` is one of this machine, and not one relative to the script. Default: false. */
  fs?: boolean | undefined
  /** Names that stand for a folder. Default: ['index', 'index.html']. */
  index?: string | readonly string[] | undefined
  /** Media types by extension, or a function that gives one. Default: `Directory.defaultContentTypes`. */
  contentTypes?:
    | ContentTypes
    | ((head: FileRequestHead, path: string) => string | ContentTypes | null | undefined)
    | undefined
  /** The media type when none is known. Default: 'application/octet-stream'. */
  defaultContentType?: string | undefined
  /** Says how to compress a file, of the algorithms that the client accepts. Default: not, but see the class. */
  compression?:
    | ((
        head: FileRequestHead,
        acceptEncoding: Readonly<Record<string, true>>,
        path: string,
        size: number,
      ) => string | null | undefined)
    | undefined
}

const optionSpecs = {
  fs: flag(false, 'whether the path is one of this machine; else it is relative to the script'),
  index: optional(
    'a name or an array of names',
    'names that stand for a folder',
    (value): value is string | readonly string[] =>
      isText(value) || (Array.isArray(value) && value.every(isText)),
  ),
  contentTypes: optional(
    'an object of media types by extension, or a function',
    'media types by extension',
    (value): value is ContentTypes | ((head: FileRequestHead, path: string) => unknown) =>
      typeof value === 'object' || isFunction(value),
  ),
  defaultContentType: optional('a media type', 'the media type when none is known', isText),
  compression: optional('a function', 'says how to compress a file', isFunction),
}

const compressors: Readonly<Record<Compression, (bytes: Buffer) => Buffer>> = {
  gzip: bytes => gzipSync(bytes),
  deflate: bytes => deflateSync(bytes),
  // The highest quality takes 100 times as long as this one, while requests wait.
  br: bytes => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }),
}

const isCompression = (name: unknown): name is Compression =>
  typeof name === 'string' && Object.hasOwn(compressors, name)

/** A file in the form in which it is sent. */
interface Representation {
  readonly stored: Stored
  readonly encoding: string | undefined
  readonly etag: string
}

/**
 * Answers requests with the files of a folder: their media types, ETag and Last-Modified, 304 for what the client
 * has, one range of bytes, and what lies next to a file as `.br` or `.gz` for those who accept it. Files whose names
 * begin with a dot, and what symbolic links outside of the folder point at, are not there.
 *
 * @example
 *   const www = new http.Directory('www')
 *   … .serveHTTP(req => www.serve(req) ?? new Message({ status: 404 }, 'Not found\n'))
 */
export class Directory {
  static readonly defaultContentTypes: ContentTypes = defaultContentTypes
  private readonly files: FileTree
  private readonly indexes: readonly string[]
  private readonly options: DirectoryOptions
  /** What was compressed while it was asked for. */
  private readonly compressed = new Cache<string, Buffer>({ size: 256 })

  /** @throws TrafficError `BadOption`. */
  constructor(path: string, options?: DirectoryOptions) {
    if (typeof path !== 'string')
      throw new TrafficError('BadOption', `Directory wants the path of a folder, and got ${show(path)}`)
    const parsed = parseOptions(optionSpecs, options, 'Directory')
    this.options = parsed as DirectoryOptions
    this.files = new FileTree(parsed.fs ? resolve(path) : codebase.pathOf(path))
    const { index } = parsed
    this.indexes = index === undefined ? ['index', 'index.html'] : typeof index === 'string' ? [index] : index
  }

  /** The answer to a request; null when there is no such file. */
  serve(request: Message): Message | null {
    const head = request.head as FileRequestHead
    const path = pathOf(head.path)
    const found = path === undefined ? undefined : this.find(path)
    if (found === undefined) return null
    const method = head.method ?? 'GET'
    if (method !== 'GET' && method !== 'HEAD')
      return new Message({ status: 405, headers: { allow: 'GET, HEAD' } })
    return this.respond(head, found.path, found.stored)
  }

  private find(path: string): { path: string; stored: Stored } | undefined {
    const whole = path.endsWith('/') ? null : this.files.find(path)
    if (whole !== null) return { path, stored: whole }
    for (const name of this.indexes) {
      const index = `${path.endsWith('/') ? path : `${path}/`}${name}`
      const stored = this.files.find(index)
      if (stored !== null) return { path: index, stored }
    }
    return undefined
  }

  private respond(head: FileRequestHead, path: string, plain: Stored): Message {
    const asked = head.headers ?? {}
    // A range is one of the file as it is: clients put the ranges of several answers together.
    const isRange = asked.range !== undefined
    const { stored, encoding, etag, varies } = this.represent(head, path, plain, isRange)
    const headers: Record<string, string> = {
      'content-type': this.contentType(head, path),
      etag,
      'last-modified': new Date(stored.modified * 1000).toUTCString(),
      'accept-ranges': 'bytes',
    }
    if (encoding !== undefined) headers['content-encoding'] = encoding
    if (varies) headers.vary = 'accept-encoding'
    if (isKnown(asked, etag, stored.modified)) {
      delete headers['content-type']
      return new Message({ status: 304, headers })
    }
    const usesRange = isRange && isSameAsBefore(asked['if-range'], etag, stored.modified)
    const range = usesRange ? parseRange(asked.range, stored.size) : undefined
    if (range === 'unsatisfiable')
      return new Message({ status: 416, headers: { 'content-range': `bytes */${stored.size}` } })
    if (range === undefined)
      return new Message({ status: 200, headers }, Data.over(stored.read(0, stored.size)))
    headers['content-range'] = `bytes ${range.start}-${range.end - 1}/${stored.size}`
    return new Message({ status: 206, headers }, Data.over(stored.read(range.start, range.end)))
  }

  /** Which form of a file to send. */
  private represent(
    head: FileRequestHead,
    path: string,
    plain: Stored,
    isRange: boolean,
  ): Representation & { readonly varies: boolean } {
    const br = this.files.find(`${path}.br`)
    const gzip = this.files.find(`${path}.gz`)
    const weights = parseAcceptEncoding(head.headers?.['accept-encoding'])
    const { compression } = this.options
    const varies = br !== null || gzip !== null || compression !== undefined
    const asIs = { stored: plain, encoding: undefined, etag: `"${plain.version}"`, varies }
    if (isRange) return asIs
    const available = [...(br ? ['br' as const] : []), ...(gzip ? ['gzip' as const] : [])]
    const encoding = chooseEncoding(weights, available)
    const ready = encoding === 'br' ? br : encoding === 'gzip' ? gzip : null
    if (ready !== null && encoding !== undefined)
      return { stored: ready, encoding, etag: `"${ready.version}-${encoding}"`, varies }
    const accepted: Record<string, true> = {}
    for (const [name, weight] of weights) if (weight > 0) accepted[name] = true
    const chosen = compression?.(head, accepted, path, plain.size)
    return isCompression(chosen) && weights.get(chosen) !== 0
      ? { ...this.compress(path, plain, chosen), varies }
      : asIs
  }

  private compress(path: string, plain: Stored, encoding: Compression): Representation {
    const key = `${path} ${plain.version} ${encoding}`
    let bytes = this.compressed.find(key)
    if (bytes === undefined) {
      bytes = compressors[encoding](plain.read(0, plain.size))
      this.compressed.set(key, bytes)
    }
    const compressed = bytes
    const { modified, version } = plain
    const stored: Stored = {
      size: compressed.length,
      modified,
      version,
      read: (start, end) => compressed.subarray(start, end),
    }
    return { stored, encoding, etag: `"${version}-${encoding}"` }
  }

  private contentType(head: FileRequestHead, path: string): string {
    const { contentTypes, defaultContentType } = this.options
    const given = typeof contentTypes === 'function' ? contentTypes(head, path) : contentTypes
    if (typeof given === 'string') return given
    const extension = extensionOf(path)
    const types = given ?? defaultContentTypes
    return (
      (Object.hasOwn(types, extension) ? types[extension] : undefined) ??
      defaultContentType ??
      unknownContentType
    )
  }
}

/** The decoded path of a request's target; undefined when it cannot be decoded. */
function pathOf(target: unknown): string | undefined {
  if (typeof target !== 'string' || !target.startsWith('/')) return undefined
  const query = target.search(/[?#]/)
  try {
    return decodeURIComponent(query < 0 ? target : target.slice(0, query))
  } catch {
    return undefined
  }
}

/** Whether the client has this version (RFC 9110 §13.2.2: If-None-Match decides alone when it is there). */
function isKnown(asked: Readonly<Record<string, unknown>>, etag: string, modified: number): boolean {
  const tags = asked['if-none-match']
  if (typeof tags === 'string')
    return tags.split(',').some(tag => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag)
  const since = asked['if-modified-since']
  return typeof since === 'string' && modified <= Date.parse(since) / 1000
}

/** Whether a range may be sent: what the client has a part of is still what there is (RFC 9110 §13.1.5). */
function isSameAsBefore(condition: unknown, etag: string, modified: number): boolean {
  if (typeof condition !== 'string') return true
  return condition.startsWith('"') ? condition === etag : Date.parse(condition) / 1000 === modified
}
