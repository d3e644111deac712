/** A pacman repository: its packages and `NAME.db`, a tar with one `desc` per package, as repo-add writes it. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import {
  type BuiltPackage,
  buildPackage,
  conflictsOf,
  dependency,
  type PacmanPackage,
  tarFile,
} from './pacman-package.ts'

/** Fills the empty `folder`. repo-add would take half a minute for 600 packages. */
export async function buildPacmanRepository(
  folder: string,
  name: string,
  packages: PacmanPackage[],
  publishedAt: Date,
): Promise<void> {
  await mkdir(folder, { recursive: true })
  const entries: Record<string, string> = {}
  for (const item of packages) {
    const built = buildPackage(item, publishedAt)
    await writeFile(join(folder, built.file), built.bytes)
    entries[`${item.name}-${built.version}/desc`] = description(built, publishedAt)
  }
  const seconds = Math.floor(publishedAt.getTime() / 1000)
  await writeFile(join(folder, `${name}.db`), gzipSync(tarFile(entries, seconds), { level: 1 }))
}

function description(built: BuiltPackage, builtAt: Date): string {
  const { item, version } = built
  const fields: [string, (string | number)[]][] = [
    ['FILENAME', [built.file]],
    ['NAME', [item.name]],
    ['BASE', [item.name]],
    ['VERSION', [version]],
    ['DESC', ['package of a test host']],
    ['GROUPS', item.groups ?? []],
    ['CSIZE', [built.bytes.length]],
    ['ISIZE', [built.installedSize]],
    ['SHA256SUM', [built.sha256]],
    ['ARCH', [item.arch ?? 'any']],
    ['BUILDDATE', [Math.floor(builtAt.getTime() / 1000)]],
    ['PACKAGER', ['Test Packages <packages@example.invalid>']],
    ['REPLACES', item.obsoletes ?? []],
    ['CONFLICTS', conflictsOf(item)],
    ['PROVIDES', item.provides ?? []],
    ['DEPENDS', (item.depends ?? []).map(dependency)],
  ]
  return fields
    .filter(([, values]) => values.length > 0)
    .map(([field, values]) => `%${field}%\n${values.join('\n')}\n\n`)
    .join('')
}
