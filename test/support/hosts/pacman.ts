/** An Arch host for tests: real pacman in a box, our repositories as the only ones configured. */
import type { ChildProcess } from 'node:child_process'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkout, createBox } from './box.ts'
import type { Family, FamilyHost } from './family.ts'
import { buildPackages, fullVersion, type PacmanPackage } from './pacman-package.ts'
import { buildPacmanRepository } from './pacman-repository.ts'
import { serveRepositories } from './repository-server.ts'
import { rootOf } from './roots.ts'

/** Included by pacman.conf, as an administrator may do it. */
const HOLDS = '/etc/pacman.d/holds.conf'

const OPTIONS = `[options]
HoldPkg = pacman glibc
Architecture = auto
CheckSpace
ParallelDownloads = 5
SigLevel = Never
LocalFileSigLevel = Optional
Include = ${HOLDS}
`

// As pacman holds it: made by nobody else, kept open, removed at the end.
const LOCKER = 'set -C; exec 9>/var/lib/pacman/db.lck; echo locked; read -r end; rm -f /var/lib/pacman/db.lck'

export type PacmanHost = Omit<FamilyHost, 'install' | 'publish'> & {
  install(packages: PacmanPackage[]): Promise<void>
  publish(packages: PacmanPackage[], name?: string): Promise<void>
  /** More lines of `[options]`. */
  configure(lines: string): Promise<void>
}

export async function createPacmanHost(installed: PacmanPackage[] = []): Promise<PacmanHost> {
  await using opened = new AsyncDisposableStack()
  const { path, lock } = await rootOf('pacman')
  const box = opened.use(await createBox({ lower: [path], lock }))
  const repositories = opened.use(await serveRepositories(join(box.folder, 'repositories')))
  const published = new Map<string, PacmanPackage[]>()
  let options = OPTIONS

  const configureRepositories = async (): Promise<void> => {
    const sections = [...published.keys()].map((name) => `[${name}]\nServer = ${repositories.url(name)}\n`)
    await box.write('/etc/pacman.conf', [options, ...sections].join('\n'))
  }
  const fileOf = (name: string, repository = 'main'): string => {
    const item = published.get(repository)?.find((each) => each.name === name)
    if (!item) throw new Error(`No package ${name} was published in the repository ${repository}.`)
    return `${item.name}-${fullVersion(item)}-${item.arch ?? 'any'}.pkg.tar.gz`
  }
  const held = async (): Promise<string[]> => {
    const lines = (await box.read(HOLDS)).split('\n').filter((line) => line.startsWith('IgnorePkg'))
    return lines.flatMap((line) => line.replace(/^IgnorePkg *= */, '').split(' ')).sort()
  }

  const host: Omit<PacmanHost, keyof typeof box> = {
    repositories,
    holdFiles: [HOLDS, '/etc/pacman.conf'],

    async install(packages) {
      const files = await buildPackages(packages, join(box.root, 'tmp/install'))
      await box.must(['pacman', '-U', '--noconfirm', ...files.map((file) => file.slice(box.root.length))])
      await rm(join(box.root, 'tmp/install'), { recursive: true })
    },

    async publish(packages, name = 'main') {
      await repositories.publish(name, (folder, at) => buildPacmanRepository(folder, name, packages, at))
      published.set(name, packages)
      await configureRepositories()
    },

    async disableRepositories() {
      published.clear()
      await configureRepositories()
    },

    async configure(lines) {
      options += `${lines}\n`
      await configureRepositories()
    },

    async hold(name) {
      await box.write(HOLDS, `${await box.read(HOLDS)}IgnorePkg = ${name}\n`)
    },
    holds: held,

    async versions() {
      const versions: Record<string, string> = {}
      for (const entry of await readdir(join(box.root, 'var/lib/pacman/local'))) {
        const [, name, version] = /^(pb-.*)-([^-]+-[^-]+)$/.exec(entry) ?? []
        if (!name || !version) continue
        const files = await readdir(join(box.root, 'var/lib/pacman/local', entry))
        const state = files.includes('desc') && files.includes('files') ? version : `${version} (broken)`
        versions[name] = versions[name] ? `${versions[name]}, ${state}` : state
      }
      return versions
    },

    full: (version) => fullVersion({ version }),
    size: (name, repository = 'main') => repositories.size(repository, fileOf(name, repository)),
    lose: (name, repository = 'main') => repositories.lose(repository, fileOf(name, repository)),

    async lock(): Promise<ChildProcess> {
      const child = box.spawn(['bash', '-c', LOCKER])
      await box.ready(child, 'locked', 'pacman could not be locked')
      return child
    },

    async pretend(names) {
      await box.write('/var/lib/pacman/local/ALPM_DB_VERSION', '9\n')
      for (const name of names) {
        const folder = join(box.root, `var/lib/pacman/local/${name}-1.0-1`)
        await mkdir(folder, { recursive: true })
        await writeFile(join(folder, 'desc'), `%NAME%\n${name}\n\n%VERSION%\n1.0-1\n\n%ARCH%\nany\n\n`)
        await writeFile(join(folder, 'files'), '')
      }
      await host.publish(names.map((name) => ({ name, version: '2.0' })))
    },
  }
  await box.write(HOLDS, '[options]\n')
  await configureRepositories()
  if (installed.length > 0) await host.install(installed)
  const own = opened.move()
  return { ...box, ...host, [Symbol.asyncDispose]: () => own.disposeAsync() }
}

export const pacman: Family = {
  name: 'pacman',
  script: `${checkout}/patch-scripts/arch/pacman-update.sh`,
  title: 'Arch Linux Pacman Update Script',
  traits: {
    security: false,
    only: false,
    repo: false,
    replaces: true,
    arch: 'any',
    newConfig: '.pacnew',
    failingPostinstall: 'warning',
    failingPreinstall: 'warning',
    repository: (name) => name,
    size: true,
    processes: /^pacman$/,
    downloads: '/var/cache/pacman/pkg',
    // A dry run refreshes a copy of its own.
    metadata: [],
  },
  createHost: createPacmanHost,
}
