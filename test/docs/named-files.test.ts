/** What reading orders and comments send a reader to is there. */

import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { root } from './markdown-files.ts'

const layers = '{runtime,actors,observability,cluster}'

const find = (...parts: string[]): readonly string[] => globSync(join(...parts), { cwd: root })

/** Whether there is a file of this name or pattern in a folder, in what its README alone speaks for, or from the root on. */
function isThere(folder: string, name: string): boolean {
  const speaksForAll = find(folder, '*', 'README.md').length === 0
  return [[folder, name], ...(speaksForAll ? [[folder, '*', name]] : []), [name]].some(
    parts => find(...parts).length > 0,
  )
}

for (const path of [...find(layers, '**', 'README.md')].sort()) {
  test(`the files that ${path} names are there`, t => {
    const text = readFileSync(join(root, path), 'utf8')
    const names = [...text.matchAll(/`([\w./*-]+\.ts)`/g)].map(([, name]) => name as string)
    t.deepEqual(
      names.filter(name => !isThere(dirname(path), name)),
      [],
    )
  })
}

test('the files that comments name are there', t => {
  const sources = find('{runtime,actors,observability,cluster,bench,docs,test}', '**', '*.ts')
  const known = new Set(
    sources.flatMap(path => path.split('/').map((_, i, parts) => parts.slice(i).join('/'))),
  )
  const missing: string[] = []
  for (const path of find(layers, '**', '*.ts')) {
    const text = readFileSync(join(root, path), 'utf8')
    for (const [comment] of text.matchAll(/^ *\/\*[\s\S]*?\*\/|^ *\/\/.*$/gm))
      for (const [name] of comment.matchAll(/(?:[\w-]+\/|\.{1,2}\/)*[\w-]+(?:\.test)?\.ts\b/g))
        if (!known.has(name) && !existsSync(join(root, dirname(path), name))) missing.push(`${path}: ${name}`)
  }
  t.deepEqual(missing, [])
})
