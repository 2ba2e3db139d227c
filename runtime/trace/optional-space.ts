const isSpace = (code: number): boolean => code === 0x20 || code === 0x09

/** A text without the blanks and tabs around it. By hand: a pattern for those at the end looks at many in the middle once for each. */
export function bare(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isSpace(text.charCodeAt(start))) start++
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}
