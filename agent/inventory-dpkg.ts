import { join } from 'node:path'
import { capture } from './capture.ts'
import type { InstalledPackage, PackageDatabase } from './inventory.ts'

/** `Status` and not `db:Status-Status`, which dpkg 1.17.5 (Ubuntu 14.04) does not know. */
const FORMAT = ['Package', 'Architecture', 'Version', 'Status'].map((field) => `\${${field}}`).join('\\t')
/** Nothing of these is on the disk, or no whole package. */
const ABSENT = ['not-installed', 'config-files', 'half-installed']

/** Lines of name, architecture, version and `want flag status`. */
export const parseDpkg = (text: string): InstalledPackage[] =>
  text.split('\n').flatMap((line) => {
    const [name, arch, version, status, ...more] = line.split('\t')
    const [want, , state] = (status ?? '').split(' ')
    if (!name || arch === undefined || !version || !state || more.length > 0 || ABSENT.includes(state))
      return []
    return { name, arch, version, held: want === 'hold' }
  })

export const dpkg: PackageDatabase = {
  files: ['var/lib/dpkg/status'],
  list: async (root) =>
    parseDpkg(
      await capture('dpkg-query', [
        `--admindir=${join(root, 'var/lib/dpkg')}`,
        '--show',
        `--showformat=${FORMAT}\\n`,
      ]),
    ),
}
