/** Subjects as NATS has them: tokens with dots between; `*` stands for one token, `>` for all that follow. */
export function matches(pattern: string | undefined, subject: string): boolean {
  if (pattern === undefined || pattern === subject) return true
  const wanted = pattern.split('.')
  const tokens = subject.split('.')
  for (const [i, token] of wanted.entries()) {
    if (token === '>') return tokens.length > i
    if (i >= tokens.length || (token !== '*' && token !== tokens[i])) return false
  }
  return wanted.length === tokens.length
}
