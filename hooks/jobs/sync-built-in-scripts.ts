import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { FAMILIES } from '../../collections/parts/platforms.ts'
import { type Script, scripts } from '../../collections/scripts.ts'
import type { App } from '../../core/app.ts'
import { BadRequest } from '../../core/errors.ts'
import { type Caller, systemCaller } from '../../core/records/actor.ts'
import { findAll, findOne } from '../../core/records/read.ts'
import { operatorsPair, updatePair, withPair } from '../signing/sign-built-in.ts'
import { signUnsigned } from '../signing/sign-unsigned.ts'

const BYTES_MAX = 10 * 1_048_576
const caller: Caller = { ...systemCaller, act: 'built-in' }

/**
 * Brings the built-in scripts in step with `patch-scripts/`: a new or changed file becomes a new record; a
 * record whose file is gone or changed goes too, once no unfinished operation names it. What nobody has signed gets the
 * server's signature.
 */
export async function syncBuiltInScripts(app: App, folder: string): Promise<void> {
  await signUnsigned(app)
  const current = new Set<string>()
  for (const family of FAMILIES)
    for (const path of await scriptFiles(join(folder, family))) current.add(await keep(app, family, path))
  for (const old of await findAll(app.database, scripts, '"built_in"'))
    if (!current.has(old.id)) await retire(app, old)
}

async function scriptFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return entries.filter((name) => name.endsWith('.sh')).map((name) => join(folder, name))
}

/** The id of the record that has exactly these bytes. */
async function keep(app: App, family: string, path: string): Promise<string> {
  const sha256 = createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
  const name = basename(path)
  const find = () =>
    findOne(
      app.database,
      scripts,
      '"built_in" and "platform_family" = $1 and "name" = $2 and "sha256" = $3',
      [family, name, sha256],
    )
  const pair = await operatorsPair(app, path)
  const known = await find()
  if (known) {
    await updatePair(app, known, path, pair, caller)
    return known.id
  }
  const upload = await app.files.receive('file', name, createReadStream(path), BYTES_MAX)
  try {
    const body = { name, platform_family: family, description: 'Comes with Patchbase.' }
    const made = await withPair(app, path, pair, (signed) =>
      app.records.create('scripts', { body: { ...body, ...signed }, uploads: [upload] }, caller),
    )
    return made.id
  } catch (error) {
    // Another server, started at the same moment, was first.
    const theirs = error instanceof BadRequest ? await find() : undefined
    if (!theirs) throw error
    return theirs.id
  } finally {
    await app.files.discard(upload)
  }
}

async function retire(app: App, script: Script): Promise<void> {
  try {
    await app.records.delete('scripts', script.id, caller)
  } catch (error) {
    if (!(error instanceof BadRequest)) throw error
    app.log.info({ script: script.id, reason: error.message }, 'An old built-in script stays for now.')
  }
}
