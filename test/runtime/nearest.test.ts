/** The word that was meant. */

import test from 'ava'
import fc from 'fast-check'
import { nearest } from '../../runtime/nearest.ts'

const known = [
  'connect',
  'demuxHTTP',
  'muxHTTP',
  'muxQueue',
  'handleMessageStart',
  'handleMessageEnd',
  'fork',
]

for (const [word, meant] of [
  ['conect', 'connect'],
  ['CONNECT', 'connect'],
  ['demuxHttp', 'demuxHTTP'],
  ['handleMesageStart', 'handleMessageStart'],
  ['handleMessageEnds', 'handleMessageEnd'],
  ['frok', 'fork'],
  ['muxQueu', 'muxQueue'],
  ['xylophone', undefined],
  ['', undefined],
  ['zz', undefined],
] as const) {
  test(`'${word}' is ${meant === undefined ? 'nothing that is known' : `taken for '${meant}'`}`, t => {
    t.is(nearest(word, known), meant)
  })
}

test('a known word is its own nearest, and nothing is near to nothing', t => {
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1 }), { minLength: 1 }), words => {
      for (const word of words) t.is(nearest(word, words)?.toLowerCase(), word.toLowerCase())
      t.is(nearest(words[0] as string, []), undefined)
    }),
  )
})
