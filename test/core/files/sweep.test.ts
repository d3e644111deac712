import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemCaller } from '../../../core/records/actor.ts'
import { sweepFiles } from '../../../hooks/jobs/sweep-files.ts'
import { type Engine, startEngine } from '../engine.ts'

let engine: Engine
let now: Date
beforeEach(async () => {
  now = new Date()
  engine = await startEngine({ clock: () => now })
})
afterEach(() => engine[Symbol.asyncDispose]())

const HOUR = 3_600_000
const later = (hours: number) => {
  now = new Date(Date.now() + hours * HOUR)
}
const upload = (content: string) =>
  engine.app.files.receive('file', 'x.sh', Readable.from([Buffer.from(content)]), 1000)
const makeScript = async () => {
  const input = { body: { name: 'x', platform_family: 'debian' }, uploads: [await upload('echo')] }
  return engine.app.records.create('scripts', input, systemCaller)
}
const stored = async () => {
  const found: string[] = []
  for await (const { name } of engine.app.files.entries()) found.push(name)
  return found.sort()
}

describe('the sweep', () => {
  it('keeps what a record names, and removes what none does a day later, not before', async () => {
    const kept = await makeScript()
    const gone = await makeScript()
    await engine.app.records.delete('scripts', gone.id, systemCaller)
    const orphan = await upload('orphan')
    const { id } = engine.app.registry.need('scripts')
    // As a crash between file and row leaves it.
    await engine.app.files.keep(orphan, id, 'nosuchrecord000', 'orphan_0123456789.sh')
    for (const hours of [0, 23]) {
      later(hours)
      await sweepFiles.run(engine.app)
      expect(await stored()).toEqual([String(kept.file), String(gone.file), 'orphan_0123456789.sh'].sort())
    }
    later(25)
    await sweepFiles.run(engine.app)
    expect(await stored()).toEqual([kept.file])
    await using file = await engine.app.files.open(id, kept.id, String(kept.file))
    expect(file?.size).toBe(4)
  })

  it('counts the day from when the record went, not from when the file came', async () => {
    const { app } = engine
    const script = await makeScript()
    const { id } = app.registry.need('scripts')
    const path = join(engine.folder, 'files', id, script.id, String(script.file))
    const longAgo = new Date(Date.now() - 100 * HOUR)
    await utimes(path, longAgo, longAgo)
    await app.records.delete('scripts', script.id, systemCaller)
    await app.settled()
    later(1)
    await sweepFiles.run(app)
    expect(await stored()).toEqual([script.file])
    later(25)
    await sweepFiles.run(app)
    expect(await stored()).toEqual([])
    expect(await readdir(join(engine.folder, 'files', id))).toEqual([])
  })

  it('removes uploads that nobody finished, and no other', async () => {
    const { path } = await upload('unfinished')
    const folder = join(engine.folder, 'files', '.incoming')
    later(23)
    await sweepFiles.run(engine.app)
    expect(await readdir(folder)).toHaveLength(1)
    later(25)
    await sweepFiles.run(engine.app)
    expect(await readdir(folder)).toEqual([])
    expect(path.startsWith(folder)).toBe(true)
  })

  it("leaves alone what is not the server's: folders of no collection, and names it would not make", async () => {
    const files = join(engine.folder, 'files')
    const { id } = engine.app.registry.need('scripts')
    for (const folder of ['lost+found', 'backups/one', `${id}/x`])
      await mkdir(join(files, folder), { recursive: true })
    const old = new Date(Date.now() - 100 * HOUR)
    for (const name of ['backups/one/file.txt', 'notes.txt']) {
      await writeFile(join(files, name), 'mine')
      await utimes(join(files, name), old, old)
    }
    later(48)
    await sweepFiles.run(engine.app)
    expect(await readdir(join(files, 'backups/one'))).toEqual(['file.txt'])
    expect((await readdir(files)).includes('notes.txt')).toBe(true)
  })
})

describe('a file', () => {
  it('is named by at most one record: two uploads of one name are two files', async () => {
    const [one, two] = await Promise.all([makeScript(), makeScript()])
    expect(one.file).not.toBe(two.file)
    expect(await stored()).toEqual([String(one.file), String(two.file)].sort())
  })

  it('that was replaced is out of reach at once, its bytes a day later', async () => {
    const made = await makeScript()
    const input = { body: {}, uploads: [await upload('new')] }
    const changed = await engine.app.records.update('scripts', made.id, input, systemCaller)
    expect(changed.file).not.toBe(made.file)
    later(25)
    await sweepFiles.run(engine.app)
    expect(await stored()).toEqual([changed.file])
  })

  it('cannot be put or looked for outside of its folder', async () => {
    const { files } = engine.app
    const evil = await upload('x')
    for (const name of ['../x', '..', '.', '', 'a/b', 'a\\b', '\0', '.hidden', 'x'.repeat(300)]) {
      await expect(files.keep(evil, 'pbc_1', 'record000000000', name), name).rejects.toThrow(
        "Not a stored file's name",
      )
      await expect(files.remove(name, 'record000000000', 'x'), name).rejects.toThrow(
        "Not a stored file's name",
      )
      expect(await files.open('pbc_1', name, 'x')).toBe(undefined)
    }
    await files.discard(evil)
  })
})
