import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { InstalledPackage, PackageDatabase } from './inventory.ts'

const FOLDER = 'var/lib/pacman/local'

/** `desc` of an installed package: lines of a `%KEY%`, its values below it, an empty line after them. */
export const parseDesc = (text: string): InstalledPackage | undefined => {
  const value = (key: string) => new RegExp(`^%${key}%\\n(.+)$`, 'm').exec(text)?.[1] ?? ''
  const [name, version, arch] = [value('NAME'), value('VERSION'), value('ARCH')]
  return name && version ? { name, arch, version } : undefined
}

/** Read where pacman has it: `pacman -Q` names no architecture, and `-Qi` says it in words for people. */
export const pacman: PackageDatabase = {
  // The folder of a package is named after its version, so this one changes with every one of them.
  files: [FOLDER],
  list: async (root) => {
    const packages: InstalledPackage[] = []
    for (const entry of await readdir(join(root, FOLDER), { withFileTypes: true })) {
      const item = entry.isDirectory() && (await described(join(root, FOLDER, entry.name, 'desc')))
      if (item) packages.push(item)
    }
    return packages
  },
}

const described = async (file: string) => {
  try {
    return parseDesc(await readFile(file, 'utf8'))
  } catch (error) {
    // Removed since the folder was read.
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}
