import { readdirSync, readFileSync } from 'node:fs'
import { generateDrizzleJson, generateMigration } from 'drizzle-kit/api'
import { describe, expect, it } from 'vitest'
import { collections } from '../collections/index.ts'
import { systemTables } from '../core/db/system-tables.ts'
import { importsOf, type Source, sources, violations } from './house.ts'

const planted = (path: string, text: string): Source[] => [{ path, text }]

describe('the house', () => {
  it('has imports that run one way', () => {
    const files = sources()
    expect(files.length).toBeGreaterThan(100)
    expect(violations(files)).toEqual([])
  })

  it.each([
    ['core/app.ts', "import { agents } from '../collections/agents.ts'"],
    ['core/app.ts', "import { Hono } from 'hono'"],
    ['core/app.ts', "const x = await import('../api/api.ts')"],
    ['collections/agents.ts', "import hook from '../hooks/agents.ts'"],
    ['hooks/agents.ts', "import {\n  headers,\n} from '../api/middleware/headers.ts'"],
    ['api/routes/records.ts', "export { agents } from '../../collections/agents.ts'"],
    ['api/routes/agent/fleet.ts', "import '../../../hooks/index.ts'"],
    ['agent/run.ts', "import { agents } from '../collections/agents.ts'"],
    ['agent/run.ts', "import type { App } from '../core/app.ts'"],
    ['bench/simulator/main.ts', "import { startServer } from '../../api/server.ts'"],
    ['bench/main.ts', "import { version } from '../agent/version.ts'"],
  ])('notices when %s says %s', (path, text) => {
    expect(violations(planted(path, text))).toHaveLength(1)
  })

  it('lets an agent take types of collections', () => {
    expect(
      violations(planted('agent/run.ts', "import type { Agent } from '../collections/agents.ts'")),
    ).toEqual([])
  })

  it('does not take an empty house for a clean one', () => {
    expect(violations([])).toEqual(['No source file was read.'])
  })

  it('does not take SQL for an import', () => {
    expect(importsOf('export function free() {\n  return `delete from "operation_locks"`\n}')).toEqual([])
  })

  it('reads comments as comments', () => {
    expect(importsOf("// import { x } from '../hooks/index.ts'\n * import('../api/api.ts')")).toEqual([])
  })

  it('keeps product words out of the engine', () => {
    const words = /\b(agents?|enrol\w*|proxmox|patch(es|_\w+)|hostnames?|reboot_\w+|schedules?)\b/i
    const spoken = sources()
      .filter(({ path }) => path.startsWith('core/'))
      .flatMap(({ path, text }) =>
        text
          .split('\n')
          .filter((line) => words.test(line.replace(/^\s*(\/\/|\*|\/\*\*).*/, '')))
          .map((line) => `${path}: ${line.trim()}`),
      )
      // A job of the engine runs on a schedule, too.
      .filter((line) => !line.startsWith('core/jobs.ts'))
    expect(spoken).toEqual([])
  })

  it.each([
    ['collections', 'collections/index.ts'],
    ['hooks', 'hooks/index.ts'],
    ['hooks/jobs', 'hooks/index.ts'],
    ['core/fields', 'core/fields/index.ts'],
  ])('names every file of %s in %s', (folder, index) => {
    const text = readFileSync(index, 'utf8')
    // Started by the server itself, shared by the hooks, or the ground the field types stand on.
    const others = ['index.ts', 'ownership.ts', 'unreadable.ts', 'sync-built-in-scripts.ts', 'columns.ts']
    const missing = readdirSync(folder)
      .filter((name) => name.endsWith('.ts') && !others.includes(name))
      .filter((name) => !text.includes(`/${name}'`))
    expect(missing).toEqual([])
  })

  it('has migrations in step with the collections', async () => {
    const folder = 'core/db/migrations/meta'
    const last = readdirSync(folder)
      .filter((name) => name.endsWith('_snapshot.json'))
      .sort()
      .at(-1)
    const before = JSON.parse(readFileSync(`${folder}/${last}`, 'utf8'))
    const tables = Object.fromEntries(collections.map(({ name, table }) => [name, table]))
    const after = generateDrizzleJson({ ...systemTables, ...tables }, before.id)
    expect(await generateMigration(before, after), 'run: npm run migrate:make -- NAME').toEqual([])
  })
})
