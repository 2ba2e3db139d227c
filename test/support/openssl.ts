import { spawn } from 'node:child_process'

/** Runs `openssl s_client` against a port, types `input`, and gives all that it wrote when the server has closed. */
export async function opensslClient(port: number, args: readonly string[], input = ''): Promise<string> {
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args])
  let output = ''
  const add = (text: string): void => {
    output += text
    // It does not send close_notify at the end of its input by itself in all versions: Q on a line does.
    if (input !== '' && output.includes(input.trim().concat('\n>'))) child.stdin.write('Q\n')
  }
  child.stdout.setEncoding('latin1').on('data', add)
  child.stderr.setEncoding('latin1').on('data', add)
  child.stdin.on('error', () => {})
  if (input === '') child.stdin.end()
  else child.stdin.write(input)
  await new Promise(resolve => child.on('close', resolve))
  return output
}
