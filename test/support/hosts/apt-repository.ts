/** An apt repository: packages in `pool`, an index and a Release file. */
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { buildPackages, type DebianPackage } from './deb-package.ts'

const execute = promisify(execFile)

export type Publication = {
  packages?: DebianPackage[]
  /** Index entries of packages that have no file. */
  described?: string[]
  /** As apt shows it in `Label:Version/Suite`; default `Test`. */
  label?: string
  /** Default `stable`. */
  suite?: string
  publishedAt?: Date
}

/** Fills the folder `root` with the repository. */
export async function buildAptRepository(
  root: string,
  arch: string,
  publication: Publication,
): Promise<void> {
  const suite = publication.suite ?? 'stable'
  const index = join('dists', suite, 'main', `binary-${arch}`)
  await mkdir(join(root, index), { recursive: true })
  await buildPackages(publication.packages ?? [], join(root, 'pool'))
  const options = { cwd: root, maxBuffer: 64 * 1024 * 1024 }
  const described = await execute('apt-ftparchive', ['packages', 'pool'], options)
  const packages = [described.stdout, ...(publication.described ?? [])].join('\n')
  await writeFile(join(root, index, 'Packages'), packages)
  const fields = { Label: publication.label ?? 'Test', Suite: suite, Codename: suite, Components: 'main' }
  const settings = Object.entries({ ...fields, Architectures: arch }).flatMap(([field, value]) => [
    '-o',
    `APT::FTPArchive::Release::${field}=${value}`,
  ])
  const release = await execute('apt-ftparchive', [...settings, 'release', join('dists', suite)], options)
  await writeFile(join(root, 'dists', suite, 'Release'), release.stdout)
}
