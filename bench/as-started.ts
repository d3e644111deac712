import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where the arguments below are to be understood from. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** What `npm start` gives to node, flags of the engine included. */
export function startArguments(): string[] {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: { start: string }
  }
  return scripts.start.replace(/^exec node /, '').split(' ')
}

/** Without the settings of a server that is in real use here, whose database must not be touched. */
export const ownEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(PATCHBASE_|DATABASE_URL$|REDIS_URL$)/.test(name)),
  )
