import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Checks the types of all .ts files of a folder, as an editor does for someone who writes scripts there. '' when all is well. */
export function checkTypes(folder: string): string {
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      // Snippets show what matters: what they leave unused is no mistake.
      noUnusedLocals: false,
      noUnusedParameters: false,
      paths: { sluice: [join(root, 'actors/index.ts')] },
      typeRoots: [join(root, 'node_modules/@types')],
    },
    include: [folder],
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const { stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['--noEmit', '--project', folder], {
    cwd: folder,
    encoding: 'utf8',
  })
  return stdout
}
