/** A SUSE host for tests: real zypper in a box, our repositories as the only ones configured. */
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
import { addLicence, addPatches, type Patch } from './zypper-patches.ts'

const LOCKS = '/etc/zypp/locks'

// The package has its folder of logs on every SUSE.
const PREPARE = 'mkdir -p root/var/log/zypp'

// libzypp's lock is a file with the number of a process that lives.
const LOCKER = 'echo $$ >/run/zypp.pid; echo locked; read -r end; : >/run/zypp.pid'

export type ZypperPublication = Partial<RpmRepositoryOptions> & {
  /** In place of one notice for each package. */
  patches?: Patch[]
  /** A package with a licence to agree to. */
  licensed?: string
  /** More lines of the repository's file. */
  settings?: string
}

export type ZypperHost = Omit<FamilyHost, 'install' | 'publish'> & {
  install(packages: RpmPackage[]): Promise<void>
  /** Builds files in the host, and resolves to their paths inside. */
  build(packages: RpmPackage[]): Promise<string[]>
  publish(packages: RpmPackage[], name?: string, options?: ZypperPublication): Promise<void>
}

export async function createZypperHost(installed: RpmPackage[] = []): Promise<ZypperHost> {
  if (installed.length === 0) return hostAbove([])
  const layer = await layerOf(`zypper ${JSON.stringify(installed)}`, async (path) => {
    await using bare = await hostAbove([])
    await bare.install(installed)
    await bare.saveLayer(path)
  })
  return hostAbove([layer])
}

async function hostAbove(layers: string[]): Promise<ZypperHost> {
  await using opened = new AsyncDisposableStack()
  const { path, lock } = await rootOf('zypper')
  const box = opened.use(await createBox({ lower: [...layers, path], lock, prepare: PREPARE }))
  const repositories = opened.use(await serveRepositories(join(box.folder, 'repositories')))
  const published = new Map<string, RpmPackage[]>()

  const fileOf = (name: string, repository = 'main'): string => {
    const item = published.get(repository)?.find((each) => each.name === name)
    if (!item) throw new Error(`No package ${name} was published in the repository ${repository}.`)
    return rpmFile(item)
  }

  const build = async (packages: RpmPackage[]): Promise<string[]> => {
    const files = await buildRpms(packages, join(box.root, 'tmp/build'))
    return files.map((file) => file.slice(box.root.length))
  }

  const own = opened.move()
  return {
    ...box,
    repositories,
    holdFiles: [LOCKS],
    full: (version) => evr({ name: '', version }),

    build,
    async install(packages) {
      await box.must(['rpm', '-U', '--oldpackage', ...(await build(packages))])
      await rm(join(box.root, 'tmp/build'), { recursive: true })
    },

    async publish(
      packages,
      name = 'main',
      { publishedAt, notices = true, patches, licensed, settings = '' } = {},
    ) {
      await repositories.publish(
        name,
        async (folder, at) => {
          await buildRpmRepository(packages, folder, { publishedAt: at, notices: notices && !patches })
          if (patches) await addPatches(patches, packages, folder)
          for (const item of packages) if (item.name === licensed) await addLicence(item, folder)
        },
        publishedAt,
      )
      published.set(name, packages)
      await box.write(
        `/etc/zypp/repos.d/${name}.repo`,
        // A name as an administrator may write it: zypper's tables show it as it is.
        `[${name}]\nname=Repository "${name}" | <of> & tests\nenabled=1\nautorefresh=1\nbaseurl=${repositories.url(name)}\ngpgcheck=0\n${settings}\n`,
      )
    },

    async disableRepositories() {
      published.clear()
      await box.must(['find', '/etc/zypp/repos.d', '-mindepth', '1', '-delete'])
    },

    size: (name, repository = 'main') => repositories.size(repository, fileOf(name, repository)),
    lose: (name, repository = 'main') => repositories.lose(repository, fileOf(name, repository)),

    async hold(name) {
      await box.must(['zypper', '--non-interactive', 'addlock', name])
    },
    async holds() {
      const { stdout } = await box.run(['sed', '-n', 's/^solvable_name: //p', LOCKS])
      return stdout.split('\n').filter(Boolean).sort()
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
      await box.ready(child, 'locked', 'zypper could not be locked')
      return child
    },

    [Symbol.asyncDispose]: () => own.disposeAsync(),
  }
}

export const zypper: Family = {
  name: 'zypper',
  script: join(checkout, 'patch-scripts/suse/zypper-update.sh'),
  title: 'SUSE Zypper Update Script',
  traits: {
    security: true,
    only: true,
    repo: true,
    replaces: true,
    arch: 'noarch',
    newConfig: '.rpmnew',
    failingPostinstall: 'warning',
    failingPreinstall: 'failure',
    repository: (name) => name,
    size: true,
    processes: /^(zypper|rpm|zypp-rpm)/,
    downloads: '/var/cache/zypp/packages',
    metadata: [
      '/var/cache/zypp',
      // What zypper keeps of every refresh: a number and cookies for servers, and its emptied lock.
      ...['/var/lib/zypp/AnonymousUniqueId', '/var/lib/YaST2/cookies', '/run/zypp.pid', '/tmp'],
      // sqlite's, which even reading changes.
      ...['/var/lib/rpm/rpmdb.sqlite-shm', '/var/lib/rpm/rpmdb.sqlite-wal'],
    ],
  },
  async createHost(installed) {
    const host = await createZypperHost(installed)
    return {
      ...host,
      async pretend(names) {
        await host.install(packagesAt('1.0', ...names))
        // Patches come by the dozen, with many packages each.
        const patches: Patch[] = [{ name: 'TEST-2026-1', category: 'recommended', packages: names }]
        await host.publish(packagesAt('2.0', ...names), 'main', { patches })
      },
    }
  },
}
