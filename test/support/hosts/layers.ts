/** What was installed in a box once, kept as a folder that lies below other boxes of this process. */
import { readdirSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const PREFIX = 'patchbase-layers-'

const layers = new Map<string, Promise<string>>()
let folder: Promise<string> | undefined

/**
 * The layer of that key. `make` is asked once in this process, and fills the path it is given:
 * `layerOf(key, (path) => host.saveLayer(path))`.
 */
export function layerOf(key: string, make: (path: string) => Promise<void>): Promise<string> {
  folder ??= layersFolder()
  const known = layers.get(key) ?? folder.then((within) => made(join(within, `${layers.size}`), make))
  layers.set(key, known)
  // Asked for again, a failure is tried again.
  known.catch(() => layers.delete(key))
  return known
}

async function made(path: string, make: (path: string) => Promise<void>): Promise<string> {
  await make(path)
  return path
}

async function layersFolder(): Promise<string> {
  // Left by processes that were killed; their number is in the name.
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(name.startsWith(PREFIX) && name.slice(PREFIX.length).split('-')[0])
    if (pid && !isRunning(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
  const made = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`))
  process.once('exit', () => rmSync(made, { recursive: true, force: true }))
  return made
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
