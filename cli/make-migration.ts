// npm run migrate:make -- NAME: writes the migration that leads from the last one to today's collections.
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { generateDrizzleJson, generateMigration } from 'drizzle-kit/api'
import { collections } from '../collections/index.ts'
import { systemTables } from '../core/db/system-tables.ts'

type Entry = { idx: number; version: string; when: number; tag: string; breakpoints: boolean }

const folder = new URL('../core/db/migrations/', import.meta.url)
const journalFile = new URL('meta/_journal.json', folder)
const name = process.argv[2]
if (!name || !/^[a-z][a-z0-9-]*$/.test(name)) {
  console.error('Name the migration in lower-case words joined by "-": npm run migrate:make -- add-tags')
  process.exit(1)
}

const readJson = async <T>(file: URL): Promise<T> => JSON.parse(await readFile(file, 'utf8')) as T

const journal = existsSync(journalFile)
  ? await readJson<{ entries: Entry[] }>(journalFile)
  : { version: '7', dialect: 'postgresql', entries: [] as Entry[] }
const last = journal.entries.at(-1)
type Snapshot = Awaited<ReturnType<typeof generateDrizzleJson>>
const before: Snapshot = last
  ? await readJson<Snapshot>(new URL(`meta/${String(last.idx).padStart(4, '0')}_snapshot.json`, folder))
  : generateDrizzleJson({})

const tables = { ...systemTables, ...Object.fromEntries(collections.map(({ name, table }) => [name, table])) }
const after = generateDrizzleJson(tables, before.id)
const statements = await generateMigration(before, after)
if (statements.length === 0) {
  console.log('The collections are as the last migration left them; nothing was written.')
  process.exit(0)
}

const idx = journal.entries.length
const number = String(idx).padStart(4, '0')
const tag = `${number}_${name}`
journal.entries.push({ idx, version: '7', when: Date.now(), tag, breakpoints: true })
await mkdir(new URL('meta/', folder), { recursive: true })
await writeFile(new URL(`${tag}.sql`, folder), statements.join('\n--> statement-breakpoint\n'))
await writeFile(new URL(`meta/${number}_snapshot.json`, folder), JSON.stringify(after, null, 2))
await writeFile(journalFile, JSON.stringify(journal, null, 2))
console.log(`core/db/migrations/${tag}.sql: ${statements.length} statement(s)`)
