/**
 * Characters that a terminal obeys rather than shows, among them those of the upper half (U+009B begins a sequence as ESC [
 * does), that end a line where a program does not expect it, and that turn the direction of text around.
 */
const obeyed = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** Text from elsewhere for a terminal: lines stay, and nothing in it is obeyed. */
export const printable = (text: string): string =>
  text.replace(obeyed, char => (char === '\n' || char === '\t' ? char : '·'))

/** The same for text that is JSON, which says the same afterwards. */
export const printableJSON = (json: string): string =>
  json.replace(obeyed, char =>
    char === '\n' ? char : `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

/** Text from elsewhere as a part of a line: what follows its first line is indented, so that it is no line of its own. */
export const continued = (text: string): string => printable(text).replace(/\n(?=\S)/g, '\n    ')
