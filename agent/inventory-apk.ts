import { readSystem } from './facts.ts'
import type { InstalledPackage, PackageDatabase } from './inventory.ts'

/** The new place and the old one. */
const FILES = ['usr/lib/apk/db/installed', 'lib/apk/db/installed']

/** Blocks of `X:value` lines with an empty line after each; P is the name, V the version, A the architecture. */
export const parseApk = (text: string): InstalledPackage[] =>
  text.split('\n\n').flatMap((block) => {
    const value = (key: string) => new RegExp(`^${key}:(.+)$`, 'm').exec(block)?.[1] ?? ''
    const [name, version, arch] = [value('P'), value('V'), value('A')]
    return name && version ? { name, arch, version } : []
  })

/** Read where apk has it: `apk info -v` joins name and version with a hyphen that both may contain. */
export const apk: PackageDatabase = {
  files: FILES,
  list: async (root) => {
    const texts = FILES.map((file) => readSystem(root, file))
    return parseApk(texts.find((text) => text !== '') ?? '')
  },
}
