import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { FAMILIES } from '../../collections/parts/platforms.ts'
import { StartError } from '../../core/errors.ts'

export type Family = (typeof FAMILIES)[number]
export type ScriptFile = { path: string; name: string; family: Family }

const PATCH_SCRIPTS = new URL('../../patch-scripts', import.meta.url).pathname

/** On a terminal such a name could pass for another line. */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]/u

/**
 * The scripts that the paths name, each with its family; of a folder its `*.sh`, or those of its family folders. Throws
 * StartError, naming the path and the remedy.
 */
export async function findScripts(
  paths: readonly string[],
  family: Family | undefined,
): Promise<ScriptFile[]> {
  const found: ScriptFile[] = []
  for (const path of paths.length > 0 ? paths : [PATCH_SCRIPTS]) {
    const about = await stat(path).catch((error: Error) => {
      throw new StartError(`${path} cannot be read (${error.message}); name a script or a folder of scripts.`)
    })
    const files = about.isDirectory() ? await scriptsIn(path) : [path]
    if (files.length === 0) throw new StartError(`There is no script (*.sh) in ${path}; name another folder.`)
    for (const file of files) {
      const name = basename(file)
      if (UNSEEN.test(name))
        throw new StartError(`The name of a script has what is not seen: ${JSON.stringify(name)}; rename it.`)
      found.push({ path: file, name, family: family ?? familyOf(file) })
    }
  }
  return found
}

/** What lies beside the family folders belongs to no family, and is no script of its own. */
async function scriptsIn(folder: string): Promise<string[]> {
  const folders = isFamily(basename(resolve(folder))) ? [folder] : await familyFolders(folder)
  const found = await Promise.all(
    folders.map(async (one) =>
      (await readdir(one)).filter((name) => name.endsWith('.sh')).map((name) => join(one, name)),
    ),
  )
  return found.flat().sort()
}

const familyFolders = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && isFamily(entry.name))
    .map(({ name }) => join(folder, name))

const isFamily = (name: string): name is Family => FAMILIES.some((family) => family === name)

function familyOf(file: string): Family {
  const name = basename(dirname(resolve(file)))
  if (isFamily(name)) return name
  throw new StartError(`The folder of ${file} names no family; add --family (${FAMILIES.join(', ')}).`)
}
