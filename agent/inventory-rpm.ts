import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { capture } from './capture.ts'
import type { InstalledPackage, PackageDatabase } from './inventory.ts'

const FORMAT = '%{NAME}\\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{INSTALLTIME}\\n'
/** The old place and the new one, with the database of every rpm from 4.8 on. */
const FOLDERS = ['var/lib/rpm', 'usr/lib/sysimage/rpm']
const FILES = ['rpmdb.sqlite', 'rpmdb.sqlite-wal', 'Packages', 'Packages.db']

/**
 * Lines of name, version, architecture and time of installation. Kernels are installed beside each other; the one
 * that came last counts. Keys of signatures are kept among the packages and are none.
 */
export const parseRpm = (text: string): InstalledPackage[] =>
  text
    .split('\n')
    .flatMap((line) => {
      const [name, version, arch, time, ...more] = line.split('\t')
      if (!name || !version || arch === undefined || !time || more.length > 0 || name === 'gpg-pubkey')
        return []
      return { name, arch: arch === '(none)' ? '' : arch, version, time: Number(time) }
    })
    .sort((a, b) => a.time - b.time)
    .map(({ time: _, ...item }) => item)

/** In another root the database is where that system has it, not where this one's rpm would look for it. */
const placeOf = (root: string): string[] => {
  if (root === '/') return []
  const folder =
    FOLDERS.find((each) => FILES.some((file) => existsSync(join(root, each, file)))) ?? FOLDERS[0]
  return ['--root', root, '--dbpath', `/${folder}`]
}

export const rpm: PackageDatabase = {
  files: FOLDERS.flatMap((folder) => FILES.map((file) => join(folder, file))),
  // Signatures were checked when the packages came; checking thousands of them takes seconds.
  list: async (root) =>
    parseRpm(
      await capture('rpm', [...placeOf(root), '--nosignature', '--nodigest', '-qa', '--queryformat', FORMAT]),
    ),
}
