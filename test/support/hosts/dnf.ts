/** A RHEL host for tests: real dnf in a box, our repositories as the only ones configured. */
import type { ChildProcess } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { checkout, createBox } from './box.ts'
import { type Family, type FamilyHost, packagesAt } from './family.ts'
import { layerOf } from './layers.ts'
import { serveRepositories } from './repository-server.ts'
import { rootOf } from './roots.ts'
import { buildRpms, evr, type RpmPackage, rpmFile } from './rpm-package.ts'
import { buildRpmRepository, type RpmRepositoryOptions } from './rpm-repository.ts'

const HOLDS = '/etc/dnf/plugins/versionlock.list'
const CONFIGURATION = '/etc/dnf/dnf.conf'

// dnf's locks are files with the number of a process that lives.
const LOCKER = `
set -C
for lock in /var/cache/dnf/metadata_lock.pid /var/lib/dnf/rpmdb_lock.pid; do printf %s $$ >$lock; done
echo locked
read -r end
rm -f /var/cache/dnf/metadata_lock.pid /var/lib/dnf/rpmdb_lock.pid
`

/** `notices: false` publishes without updateinfo; lines of `settings` are added to the repository's section. */
type RpmPublication = Partial<RpmRepositoryOptions> & { settings?: string }

export type DnfHost = Omit<FamilyHost, 'install' | 'publish'> & {
  install(packages: RpmPackage[]): Promise<void>
  publish(packages: RpmPackage[], name?: string, options?: RpmPublication): Promise<void>
  /** More lines of dnf.conf's `[main]`. */
  configure(lines: string): Promise<void>
}

/** The repository's id: `main` alone is the name of a section of dnf.conf. */
export const repositoryId = (name: string): string => `test-${name}`

export async function createDnfHost(installed: RpmPackage[] = []): Promise<DnfHost> {
  const layer = await layerOf(`dnf ${JSON.stringify(installed)}`, async (path) => {
    await using bare = await hostAbove([])
    if (installed.length > 0) await bare.install(installed)
    // Databases and logs that every host has which has run dnf before.
    await bare.run(['dnf', '-q', 'history'])
    await bare.saveLayer(path)
  })
  const host = await hostAbove([layer])
  // Opened for writing even by those who only read: the overlay would show a copy as a change.
  await host.must(['touch', '/var/lib/dnf/history.sqlite'])
  return host
}

async function hostAbove(layers: string[]): Promise<DnfHost> {
  await using opened = new AsyncDisposableStack()
  const { path, lock } = await rootOf('dnf')
  const box = opened.use(await createBox({ lower: [...layers, path], lock }))
  const repositories = opened.use(await serveRepositories(join(box.folder, 'repositories')))
  const published = new Map<string, RpmPackage[]>()

  const fileOf = (name: string, repository = 'main'): string => {
    const item = published.get(repository)?.find((each) => each.name === name)
    if (!item) throw new Error(`No package ${name} was published in the repository ${repository}.`)
    return rpmFile(item)
  }
  const readHolds = async (): Promise<string> => (await box.run(['cat', HOLDS])).stdout

  const own = opened.move()
  return {
    ...box,
    repositories,
    holdFiles: [HOLDS, CONFIGURATION],
    full: (version) => evr({ name: '', version }),

    async install(packages) {
      const files = await buildRpms(packages, join(box.root, 'tmp/install'))
      await box.must(['rpm', '-U', '--oldpackage', ...files.map((file) => file.slice(box.root.length))])
      await rm(join(box.root, 'tmp/install'), { recursive: true })
    },

    async publish(packages, name = 'main', { publishedAt, notices, settings = '' } = {}) {
      await repositories.publish(
        name,
        (folder, at) => buildRpmRepository(packages, folder, { publishedAt: at, notices }),
        publishedAt,
      )
      published.set(name, packages)
      const id = repositoryId(name)
      await box.write(
        `/etc/yum.repos.d/${id}.repo`,
        `[${id}]\nname=${name}\nbaseurl=${repositories.url(name)}\ngpgcheck=0\nretries=1\n${settings}\n`,
      )
    },

    async disableRepositories() {
      published.clear()
      await box.must(['find', '/etc/yum.repos.d', '-mindepth', '1', '-delete'])
    },

    async configure(lines) {
      await box.write(CONFIGURATION, `${await box.read(CONFIGURATION)}${lines}\n`)
    },

    size: (name, repository = 'main') => repositories.size(repository, fileOf(name, repository)),
    lose: (name, repository = 'main') => repositories.lose(repository, fileOf(name, repository)),

    // As `dnf versionlock add` writes it.
    async hold(name) {
      const format = '%{NAME}-%|EPOCH?{%{EPOCH}}:{0}|:%{VERSION}-%{RELEASE}.*'
      const lock = await box.must(['rpm', '-q', '--qf', format, name])
      await box.write(HOLDS, `${await readHolds()}\n# Added lock\n${lock}\n`)
    },
    async holds() {
      const lines = (await readHolds()).split('\n').filter((line) => line && !line.startsWith('#'))
      return lines.map((line) => line.replace(/-\d+:[^-]+-[^-]+$/, '')).sort()
    },

    async versions() {
      const format = '%{NAME}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\n'
      const lines = (await box.must(['rpm', '-qa', '--qf', format, 'pb-*'])).split('\n').filter(Boolean)
      const versions: Record<string, string> = {}
      for (const line of lines.sort()) {
        const [name = '', version = ''] = line.split('\t')
        versions[name] = versions[name] ? `${versions[name]}, ${version}` : version
      }
      return versions
    },

    async lock(): Promise<ChildProcess> {
      const child = box.spawn(['bash', '-c', LOCKER])
      await box.ready(child, 'locked', 'dnf could not be locked')
      return child
    },

    [Symbol.asyncDispose]: () => own.disposeAsync(),
  }
}

export const dnf: Family = {
  name: 'dnf',
  script: join(checkout, 'patch-scripts/rhel/dnf-update.sh'),
  title: 'RHEL/Fedora DNF Update Script',
  traits: {
    security: true,
    only: true,
    repo: true,
    replaces: true,
    arch: 'noarch',
    newConfig: '.rpmnew',
    failingPostinstall: 'warning',
    failingPreinstall: 'failure',
    repository: repositoryId,
    size: true,
    processes: /^(dnf|yum|rpm)/,
    downloads: '/var/cache/dnf',
    metadata: [
      '/var/cache/dnf',
      '/tmp',
      // A line of `dnf --version`.
      '/var/log/hawkey.log',
      // sqlite's, which even reading changes.
      ...['-shm', '-wal'].flatMap((end) => [
        `/var/lib/rpm/rpmdb.sqlite${end}`,
        `/var/lib/dnf/history.sqlite${end}`,
      ]),
    ],
  },
  async createHost(installed) {
    const host = await createDnfHost(installed)
    return {
      ...host,
      async pretend(names) {
        await host.install(packagesAt('1.0', ...names))
        await host.publish(packagesAt('2.0', ...names))
      },
    }
  },
}
