import { globSync, readFileSync } from 'node:fs'

/** Who may import whom. The first folder that fits a file decides; `types` are for its type imports alone. */
type Room = { folder: string; may: string[]; types?: string[]; packages?: RegExp }

const HTTP = /^(hono|@hono\/|pocketbase|eventsource|@fastify\/busboy)/

// Those that put the parts together stand before their folders.
export const rooms: Room[] = [
  { folder: 'api/open-app.ts', may: ['core', 'collections', 'hooks'] },
  { folder: 'api/server.ts', may: ['core', 'hooks', 'api'] },
  { folder: 'cli/server-app.ts', may: ['core', 'api/open-app.ts'] },
  { folder: 'cli/make-migration.ts', may: ['core', 'collections'] },
  // What is signed must be written as the server will read it.
  { folder: 'cli/sign.ts', may: ['core', 'collections', 'cli'] },
  { folder: 'cli/sign', may: ['core', 'collections', 'cli'] },
  { folder: 'core', may: ['core'], packages: HTTP },
  { folder: 'collections', may: ['core', 'collections'], packages: HTTP },
  { folder: 'hooks', may: ['core', 'collections', 'hooks'], packages: HTTP },
  { folder: 'api', may: ['core', 'api'] },
  { folder: 'agent', may: ['agent'], types: ['collections'] },
  // Commands that must work while no server runs reach its records by the engine, through server-app.ts.
  { folder: 'cli', may: ['cli', 'core'], types: ['collections'] },
  // It is many agents: the same protocol, from the same code.
  { folder: 'bench/simulator', may: ['bench', 'agent'] },
  { folder: 'bench', may: ['bench'], types: ['collections'] },
]

export type Source = { path: string; text: string }
type Import = { target: string; typeOnly: boolean }

export const sources = (): Source[] =>
  globSync([...new Set(rooms.map(({ folder }) => folder.split('/')[0]))].map((top) => `${top}/**/*.ts`))
    .filter((path) => !path.includes('/migrations/'))
    .map((path) => ({ path, text: readFileSync(path, 'utf8') }))

/** Static imports and re-exports, and dynamic imports of constant names. */
export function importsOf(text: string): Import[] {
  const code = text.replace(/^\s*(\/\/|\*|\/\*).*$/gm, '')
  const found: Import[] = []
  for (const [, type, target = ''] of code.matchAll(
    /^\s*(?:import|export)\s+(type\s)?(?:[\w$*{},\s]+?\sfrom\s+)?['"]([^'"]+)['"]/gm,
  ))
    found.push({ target, typeOnly: type !== undefined })
  for (const [, target = ''] of code.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g))
    found.push({ target, typeOnly: false })
  return found
}

/** One sentence per import that goes the wrong way. Reading nothing is a failure of the reader, not a clean house. */
export function violations(files: readonly Source[]): string[] {
  if (files.length === 0) return ['No source file was read.']
  return files.flatMap(({ path, text }) => {
    const room = rooms.find(({ folder }) => path === folder || path.startsWith(`${folder}/`))
    if (!room) return [`${path} is in no known folder.`]
    return importsOf(text).flatMap(({ target, typeOnly }) => {
      if (!target.startsWith('.')) {
        return room.packages?.test(target) ? [`${path} may not import the package ${target}.`] : []
      }
      const to = new URL(target, `file:///${path}`).pathname.slice(1)
      const allowed = [...room.may, ...(typeOnly ? (room.types ?? []) : [])]
      return allowed.some((folder) => to === folder || to.startsWith(`${folder}/`))
        ? []
        : [`${path} may not import ${to}.`]
    })
  })
}
