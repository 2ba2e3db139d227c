/** The pages say nothing that does not run, and lead nowhere that is not there. */

import { existsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ava from 'ava'
import { checkTypes } from '../support/check-types.ts'
import { makeFolder, makeScript, runSluice } from '../support/sluice.ts'
import { pages, root, scripts } from './markdown-files.ts'

// A process each: one after the other.
const test = ava.serial

for (const { place, language, text } of scripts) {
  test(`the script in ${place} can be used`, async t => {
    const script = makeScript(t, text, `script.${language}`)
    const { code, stderr } = await runSluice(t, [script, '--verify'])
    t.is(code, 0, stderr)
  })
}

test('the scripts in the pages compile', t => {
  const folder = makeFolder(t)
  for (const { place, language, text } of scripts)
    if (language === 'ts') writeFileSync(join(folder, `${place.replace(/\W+/g, '-')}.ts`), text)
  t.is(checkTypes(folder), '')
})

test('links between pages lead to files and headings that are there', t => {
  const anchorsOf = (text: string): string[] =>
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
      (heading as string)
        .toLowerCase()
        .replace(/[^\p{L}\p{N}_ -]/gu, '')
        .replaceAll(' ', '-'),
    )
  for (const [path, text] of pages) {
    const prose = text.replace(/^```[\s\S]*?^```$/gm, '')
    for (const [, target] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target as string)) continue
      const [file, anchor] = (target as string).split('#') as [string, string?]
      const linked = file === '' ? path : join(dirname(path), file)
      t.true(existsSync(join(root, linked)), `${path} links to ${target}`)
      if (anchor !== undefined)
        t.true(anchorsOf(pages.get(linked) ?? '').includes(anchor), `${path} links to ${target}`)
    }
  }
})

test('every guide is in the list of the README of docs', t => {
  const list = pages.get('docs/README.md') ?? ''
  for (const path of pages.keys())
    if (/^docs\/(?!README)/.test(path) && path !== 'docs/benchmarks.md')
      t.true(list.includes(`(${path.slice('docs/'.length)})`), path)
})
