// Hot path: no patterns. One for blanks at the end looks at many in the middle once for each of them.

/** What may stand around values in fields of HTTP and lists in them: blanks and tabs (RFC 9110 §5.6.3). */
export const isSpace = (code: number): boolean => code === 0x20 || code === 0x09

/** A part of a text without the blanks and tabs around it. */
export function trimmed(text: string, start = 0, end = text.length): string {
  while (start < end && isSpace(text.charCodeAt(start))) start++
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}
