/** Small Debian packages, built by dpkg-deb. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)

export type DebianPackage = {
  name: string
  version: string
  /** Default `all`. */
  arch?: string
  depends?: string
  /** Names that this package takes the place of. */
  replaces?: string[]
  conflicts?: string[]
  /** Absolute path to content; each is a configuration file that dpkg guards. */
  conffiles?: Record<string, string>
  /** Absolute path to content. */
  files?: Record<string, string>
  /** Maintainer scripts: the lines after `#!/bin/sh`. */
  preinst?: string
  postinst?: string
}

const REPLACING = ['Replaces', 'Conflicts', 'Provides']

/** Builds every package into `folder` and returns the paths. */
export async function buildPackages(packages: DebianPackage[], folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true })
  const paths: string[] = []
  const waiting = [...packages]
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift())
      paths.push(await buildPackage(next, folder))
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  return paths.sort()
}

/** As archives name the file of a package. */
export const fileName = ({ name, version, arch = 'all' }: DebianPackage): string =>
  `${name}_${version.replace(':', '%3a')}_${arch}.deb`

async function buildPackage(item: DebianPackage, folder: string): Promise<string> {
  const tree = await mkdtemp(join(folder, '.build-'))
  // mkdtemp's 0700 would become the mode of `/` in the package.
  await chmod(tree, 0o755)
  const arch = item.arch ?? 'all'
  const control = [
    `Package: ${item.name}`,
    `Version: ${item.version}`,
    `Architecture: ${arch}`,
    'Maintainer: Test Packages <packages@example.invalid>',
    ...(item.depends ? [`Depends: ${item.depends}`] : []),
    ...(item.replaces ? REPLACING.map((field) => `${field}: ${item.replaces?.join(', ')}`) : []),
    ...(item.conflicts ? [`Conflicts: ${item.conflicts.join(', ')}`] : []),
    'Description: package of a test host',
  ]
  await put(join(tree, 'DEBIAN/control'), `${control.join('\n')}\n`)
  for (const script of ['preinst', 'postinst'] as const) {
    if (item[script]) await put(join(tree, 'DEBIAN', script), `#!/bin/sh\n${item[script]}\n`, 0o755)
  }
  for (const [path, content] of Object.entries({ ...item.files, ...item.conffiles })) {
    await put(join(tree, path), content)
  }
  if (item.conffiles) {
    await put(join(tree, 'DEBIAN/conffiles'), `${Object.keys(item.conffiles).join('\n')}\n`)
  }
  const path = join(folder, fileName(item))
  await execute('dpkg-deb', ['--root-owner-group', '-Znone', '--build', tree, path])
  await rm(tree, { recursive: true })
  return path
}

async function put(path: string, content: string, mode = 0o644): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
  // Explicitly: writeFile's mode is cut by the umask, and dpkg-deb refuses such scripts.
  await chmod(path, mode)
}
