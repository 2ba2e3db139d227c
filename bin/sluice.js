#!/usr/bin/env node
// Plain JavaScript that old versions of Node can parse: it finds a Node that runs TypeScript, and hands over to it.

import { spawn } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import module from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The first version that runs .ts files without a flag and without a warning. */
const needed = [24, 12]

// Links (node_modules/.bin/sluice, /usr/local/bin/sluice) are followed to the package that this file is in.
const here = dirname(realpathSync(fileURLToPath(import.meta.url)))

if (isNewEnough(process.versions.node)) {
  rememberCompiledCode()
  const { main } = await import('../cluster/cli.ts')
  await main(process.argv.slice(2))
} else {
  // Once only: a Node found that is too old itself must not hand over to itself for ever.
  const node = process.env.SLUICE_HANDED_OVER ? undefined : findNode()
  if (node === undefined) {
    process.stderr.write(
      `sluice needs Node ${needed.join('.')} or newer, and this is ${process.version} (${process.execPath}).\n` +
        'Install a newer one, or run `npm install` in the checkout of sluice, which brings one along.\n',
    )
    process.exit(1)
  }
  handOver(node)
}

/**
 * Keeps stripped and compiled code on disk between runs, for this thread and those it starts: the next run takes
 * 25 MB less memory (140 to 115 MB with one thread), since it need not load the parser of TypeScript.
 */
function rememberCompiledCode() {
  const { directory } = module.enableCompileCache?.() ?? {}
  if (directory !== undefined) process.env.NODE_COMPILE_CACHE ??= directory
}

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number)
  return major > needed[0] || (major === needed[0] && minor >= needed[1])
}

/** The Node that the package's own devDependency brings, in this package or where npm has put it above. */
function findNode() {
  for (let folder = dirname(here); ; folder = dirname(folder)) {
    for (const path of ['node/bin/node', '.bin/node']) {
      const candidate = join(folder, 'node_modules', path)
      if (existsSync(candidate)) return candidate
    }
    if (folder === dirname(folder)) return undefined
  }
}

/** Runs the same command with another Node, as if it were this process. */
function handOver(node) {
  const child = spawn(node, [join(here, 'sluice.js'), ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, SLUICE_HANDED_OVER: '1' },
  })
  // At a terminal Ctrl-C reaches the child as well: forwarding it would make it a second one, which exits at once.
  const isAtTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY
  process.on('SIGINT', () => isAtTerminal || child.kill('SIGINT'))
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  process.on('SIGHUP', () => child.kill('SIGHUP'))
  child.on('error', error => {
    process.stderr.write(`sluice cannot run ${node}: ${error.message}\n`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + (constants.signals[signal] ?? 0))
  })
}
