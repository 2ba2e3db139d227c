/** Files as responses: what is served, what must not be, and what a client need not be sent again. */

import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { chooseEncoding, parseAcceptEncoding } from '../../../runtime/api/http/accept-encoding.ts'
import { parseRange } from '../../../runtime/api/http/byte-range.ts'
import * as http from '../../../runtime/api/http/index.ts'
import { Message } from '../../../runtime/event.ts'
import { codebase } from '../../../runtime/script/codebase.ts'

interface ResponseHead {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}

/** A folder `www` beside a secret, as a script would have it next to itself. */
function makeFolder(t: ExecutionContext): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sluice-www-')))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const write = (name: string, content: string | Buffer): void => writeFileSync(join(folder, name), content)
  mkdirSync(join(folder, 'www/sub'), { recursive: true })
  mkdirSync(join(folder, 'www/.git'))
  mkdirSync(join(folder, 'www/.well-known'))
  mkdirSync(join(folder, 'www-private'))
  write('secret', 'secret')
  write('www-private/secret', 'secret')
  write('www/index.html', '<h1>Hello</h1>')
  write('www/app.min.js', 'let a = 1')
  write('www/app.min.js.gz', gzipSync('let a = 1'))
  write('www/app.min.js.br', brotliCompressSync('let a = 1'))
  write('www/sub/index', 'sub')
  write('www/with space', 'space')
  write('www/.env', 'secret')
  write('www/.git/config', 'secret')
  write('www/.well-known/ok.txt', 'ok')
  symlinkSync('../secret', join(folder, 'www/link'))
  symlinkSync('..', join(folder, 'www/up'))
  symlinkSync('index.html', join(folder, 'www/home.html'))
  return folder
}

const get = (path: string, headers: Record<string, string> = {}, method = 'GET'): Message =>
  new Message({ method, path, headers })
const headOf = (message: Message | null): ResponseHead => message?.head as ResponseHead
const textOf = (message: Message | null): string | undefined => message?.body?.toString()

function serve(
  t: ExecutionContext,
  options: http.DirectoryOptions = {},
): (request: Message) => Message | null {
  const www = new http.Directory(join(makeFolder(t), 'www'), { fs: true, ...options })
  return request => www.serve(request)
}

test.serial('files are found relative to the script, and nothing else is', t => {
  const folder = makeFolder(t)
  codebase.enter(join(folder, 'main.js'))
  t.teardown(() => codebase.enter(join(process.cwd(), 'x')))
  t.is(codebase.load('www/with space')?.toString(), 'space')
  t.is(codebase.load('/www/../../../www/index.html')?.toString(), '<h1>Hello</h1>')
  t.is(codebase.load('nothing'), null)
  t.is(codebase.load('www'), null)
  t.is(textOf(new http.Directory('/www').serve(get('/'))), '<h1>Hello</h1>')
  const file = http.File.from('www/app.min.js')
  t.is(textOf(file?.toMessage() ?? null), 'let a = 1')
  t.is(headOf(file?.toMessage('gzip, br;q=0.5') ?? null).headers['content-encoding'], 'gzip')
  t.is(headOf(file?.toMessage('gzip, br') ?? null).headers['content-encoding'], 'br')
  t.is(file?.toMessage('br'), file?.toMessage('gzip, br'), 'made once')
  t.is(textOf(http.File.from('/www')?.toMessage() ?? null), '<h1>Hello</h1>')
  t.is(http.File.from('nothing'), null)
  t.throws(() => new http.File('nothing'), { message: /there is no file/ })
  writeFileSync(join(folder, 'only.css.gz'), gzipSync('a {}'))
  const only = new http.File('only.css')
  t.is(textOf(only.toMessage()), 'a {}')
  t.is(headOf(only.toMessage()).headers['content-type'], 'text/css')
})

test('a folder serves its files with their types, and its index', t => {
  const answer = serve(t)
  t.like(headOf(answer(get('/app.min.js?v=1'))).headers, { 'content-type': 'application/javascript' })
  t.is(textOf(answer(get('/'))), '<h1>Hello</h1>')
  t.is(textOf(answer(get('/sub'))), 'sub')
  t.is(headOf(answer(get('/sub/'))).headers['content-type'], 'application/octet-stream')
  t.is(textOf(answer(get('/with%20space'))), 'space')
  t.is(textOf(answer(get('/home.html'))), '<h1>Hello</h1>', 'a link within')
  t.is(textOf(answer(get('/.well-known/ok.txt'))), 'ok')
  t.is(headOf(answer(get('/', {}, 'POST'))).status, 405)
  t.is(answer(get('/nothing', {}, 'POST')), null)
  t.is(answer(get('/index.html/')), null)
})

test('nothing outside of the folder, hidden or of another kind is served', t => {
  const answer = serve(t)
  for (const path of [
    '/../secret',
    '/sub/../../secret',
    '/%2e%2e/secret',
    '/..%2fsecret',
    '/..%5csecret',
    '/../www-private/secret',
    '/link',
    '/up/secret',
    '/.env',
    '/.git/config',
    '/sub/.',
    '/index.html%00.js',
    '/%',
    '/%ff',
    'index.html',
    '',
    'http://x/index.html',
  ])
    t.is(answer(get(path)), null, path)
  t.is(answer(new Message({})), null)
})

test('no path serves a secret', t => {
  const answer = serve(t)
  const part = fc.constantFrom(
    '..',
    '.',
    '/',
    '%2e',
    '%2f',
    '%5c',
    '\\',
    'up',
    'www',
    'link',
    'secret',
    '.env',
    'sub',
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), parts =>
      t.not(textOf(answer(get(`/${parts.join('/')}`))), 'secret'),
    ),
  )
})

test('who has a file is not sent it again', t => {
  const answer = serve(t)
  const { etag = '', 'last-modified': modified = '' } = headOf(answer(get('/index.html'))).headers
  const status = (headers: Record<string, string>): number => headOf(answer(get('/', headers))).status
  t.is(status({ 'if-none-match': etag }), 304)
  t.is(status({ 'if-none-match': `"x", W/${etag}` }), 304)
  t.is(status({ 'if-none-match': '*' }), 304)
  t.is(status({ 'if-none-match': '"x"', 'if-modified-since': modified }), 200)
  t.is(status({ 'if-modified-since': modified }), 304)
  t.is(status({ 'if-modified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' }), 200)
  t.is(status({ 'if-modified-since': 'nonsense' }), 200)
  const same = answer(get('/', { 'if-none-match': etag }))
  t.is(same?.body, undefined)
  t.is(headOf(same).headers.etag, etag)
})

test('what lies compressed beside a file is sent to who accepts it', t => {
  const answer = serve(t)
  const ask = (accept: string): Message | null => answer(get('/app.min.js', { 'accept-encoding': accept }))
  const bytes = (message: Message | null): Buffer => message?.body?.bytes() as Buffer
  t.is(brotliDecompressSync(bytes(ask('gzip, br'))).toString(), 'let a = 1')
  t.is(gunzipSync(bytes(ask('gzip, br;q=0'))).toString(), 'let a = 1')
  t.is(textOf(ask('identity')), 'let a = 1')
  const etags = ['br', 'gzip', ''].map(accept => headOf(ask(accept)).headers.etag)
  t.is(new Set(etags).size, 3)
  t.is(headOf(ask('')).headers.vary, 'accept-encoding')
  t.is(headOf(answer(get('/index.html'))).headers.vary, undefined)
})

test('a file is compressed as the script says, when the client accepts it', t => {
  const asked: unknown[] = []
  const answer = serve(t, {
    compression: (_head, accepted, path, size) => {
      asked.push([accepted, path, size])
      return accepted.gzip ? 'gzip' : undefined
    },
  })
  const packed = answer(get('/index.html', { 'accept-encoding': 'gzip;q=0.5, br;q=0' }))
  t.is(gunzipSync(packed?.body?.bytes() as Buffer).toString(), '<h1>Hello</h1>')
  t.is(headOf(packed).headers['content-encoding'], 'gzip')
  t.is(textOf(answer(get('/index.html'))), '<h1>Hello</h1>')
  t.deepEqual(asked, [
    [{ gzip: true }, '/index.html', 14],
    [{}, '/index.html', 14],
  ])
})

test('a part of a file can be had, as long as it has not changed', t => {
  const answer = serve(t)
  const etag = headOf(answer(get('/index.html'))).headers.etag as string
  const part = answer(get('/index.html', { range: 'bytes=4-8', 'if-range': etag }))
  t.is(textOf(part), 'Hello')
  t.is(headOf(part).status, 206)
  t.is(headOf(part).headers['content-range'], 'bytes 4-8/14')
  t.is(textOf(answer(get('/index.html', { range: 'bytes=-5' }))), '</h1>')
  t.is(headOf(answer(get('/index.html', { range: 'bytes=14-' }))).status, 416)
  t.is(headOf(answer(get('/index.html', { range: 'bytes=4-8', 'if-range': '"x"' }))).status, 200)
  t.is(headOf(answer(get('/index.html', { range: 'bytes=0-1,3-4' }))).status, 200)
  t.is(textOf(answer(get('/app.min.js', { range: 'bytes=0-2', 'accept-encoding': 'br' }))), 'let')
})

test('a range is always within the file', t => {
  fc.assert(
    fc.property(
      fc.nat(50),
      fc.oneof(fc.nat(60), fc.constant('')),
      fc.oneof(fc.nat(60), fc.constant('')),
      (size, a, b) => {
        const range = parseRange(`bytes=${a}-${b}`, size)
        if (range === undefined || range === 'unsatisfiable') return true
        return range.start >= 0 && range.start < range.end && range.end <= size
      },
    ),
  )
  t.is(parseRange('lines=1-2', 9), undefined)
  t.is(parseRange('bytes=3-2', 9), undefined)
})

test('media types can be given by extension or by a function', t => {
  const type = (options: http.DirectoryOptions, path: string): string | undefined =>
    headOf(serve(t, options)(get(path))).headers['content-type']
  t.is(type({ contentTypes: { html: 'text/x-own' } }, '/'), 'text/x-own')
  t.is(type({ contentTypes: () => 'text/plain; charset=utf-8' }, '/'), 'text/plain; charset=utf-8')
  t.is(type({ contentTypes: () => ({ js: 'text/javascript' }), defaultContentType: 'x/y' }, '/'), 'x/y')
  t.is(type({ index: 'app.min.js' }, '/'), 'application/javascript')
  t.throws(() => new http.Directory('x', { indx: 'a' } as never), { message: /did you mean 'index'/ })
  t.throws(() => new http.Directory(7 as never), { message: /got 7/ })
})

test('a file that changes is served anew within a second', async t => {
  const folder = makeFolder(t)
  const www = new http.Directory(join(folder, 'www'), { fs: true })
  const now = performance.now
  let ahead = 0
  performance.now = () => now.call(performance) + ahead
  t.teardown(() => {
    performance.now = now
  })
  const before = headOf(www.serve(get('/'))).headers.etag
  const file = join(folder, 'www/index.html')
  writeFileSync(file, readFileSync(file, 'utf8').replace('Hello', 'World'))
  utimesSync(file, 1e9, 1e9)
  ahead = 1001
  t.is(textOf(www.serve(get('/'))), '<h1>World</h1>')
  t.not(headOf(www.serve(get('/'))).headers.etag, before)
  rmSync(file)
  ahead = 3000
  t.is(www.serve(get('/')), null)
})

test('codings are chosen by weight', t => {
  const choose = (field: string): string | undefined =>
    chooseEncoding(parseAcceptEncoding(field), ['br', 'gzip'])
  t.is(choose('gzip'), 'gzip')
  t.is(choose('*'), 'br')
  t.is(choose('*;q=0.1, GZIP ; q=0.9'), 'gzip')
  t.is(choose('br;q=0, *;q=0'), undefined)
  t.is(choose('gzip;q=x'), 'gzip')
  t.is(choose(''), undefined)
})

test('a pattern gives the parts of a path by name', t => {
  const match = new http.Match('/users/{id}/*')
  t.deepEqual(match('/users/a%20b/posts/1?x=1'), { id: 'a b', '*': 'posts/1' })
  t.deepEqual(match('/users/7/'), { id: '7', '*': '' })
  t.deepEqual(match('/users/7'), { id: '7', '*': '' })
  t.is(match('/users//x'), null)
  t.is(match('/groups/7/x'), null)
  t.deepEqual(new http.Match('/a/b')('/a/b'), {})
  t.is(new http.Match('/a/b')('/a/b/c'), null)
  t.is(new http.Match('/a/b')('/a'), null)
  t.deepEqual(new http.Match('/')('/'), {})
  t.deepEqual(new http.Match('/{x}')('/%ff'), { x: '%ff' })
  for (const pattern of ['a', '/*/b', '/a{b}', 7 as never])
    t.throws(() => new http.Match(pattern), { code: 'BadOption' })
})
