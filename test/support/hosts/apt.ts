/** The Debian family: this machine below, real apt and dpkg inside, our repositories as the only ones configured. */
import { type ChildProcess, execFile } from 'node:child_process'
import { appendFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { buildAptRepository, type Publication } from './apt-repository.ts'
import { checkout, createBox, requireTools } from './box.ts'
import { buildPackages, type DebianPackage, fileName } from './deb-package.ts'
import type { Family, FamilyHost, FamilyPackage } from './family.ts'
import { layerOf } from './layers.ts'
import { serveRepositories } from './repository-server.ts'

/** Debian packages the test hosts and their suites need beyond what every Debian has. */
export const debianPackages = ['apt-utils', 'shellcheck']

const PREPARE = `
find root/etc/apt root/var/lib/apt/lists root/var/cache/apt -mindepth 1 -delete
rm -f root/run/reboot-required* root/boot/vmlinuz-*
mkdir -p root/etc/apt/apt.conf.d root/etc/apt/preferences.d
printf 'Acquire::Retries "0";\\nAPT::Install-Recommends "false";\\n' >root/etc/apt/apt.conf.d/90test-host
`

// A perl of every Debian; flock(1) would take another kind of lock than apt and dpkg do.
const LOCKER = `
use Fcntl qw(:DEFAULT :seek F_SETLK F_WRLCK);
sysopen(my $file, $ARGV[0], O_RDWR | O_CREAT, 0640) or die "open: $!";
my $lock = pack("s s x4 q q l x4", F_WRLCK, SEEK_SET, 0, 0, 0);
fcntl($file, F_SETLK, $lock) or die "lock: $!";
$| = 1; print "locked\\n"; <STDIN>;
`

export type AptHost = Omit<FamilyHost, 'lock' | 'pretend'> & {
  arch: string
  /** Installs packages with what only Debian has. */
  installDebs(packages: DebianPackage[]): Promise<void>
  /** Publishes with what only apt has, as the repository `name` (default `main`). */
  publishDebs(publication: Publication, name?: string): Promise<void>
  lock(path?: string): Promise<ChildProcess>
  pretend(names: string[]): Promise<void>
}

/** Dispose it: `await using host = await createAptHost()`. Throws with the remedy when a tool is missing. */
export async function createAptHost(installed: FamilyPackage[] = []): Promise<AptHost> {
  const layer =
    installed.length === 0
      ? undefined
      : await layerOf(`apt ${JSON.stringify(installed)}`, async (path) => {
          await using host = await createAptHost()
          await host.install(installed)
          await host.saveLayer(path)
        })
  await requireTools(['apt-get', 'dpkg-deb', 'apt-ftparchive', 'perl'], debianPackages.join(' '))
  await using opened = new AsyncDisposableStack()
  const box = opened.use(await createBox({ lower: ['/'], layer, prepare: PREPARE }))
  const arch = (await promisify(execFile)('dpkg', ['--print-architecture'])).stdout.trim()
  const repositories = opened.use(await serveRepositories(join(box.folder, 'repositories')))
  const sources = new Map<string, string>()
  const files = new Map<string, string>()
  const fileOf = (name: string, repository = 'main') => {
    const file = files.get(`${repository} ${name}`) ?? files.get(`${repository}-security ${name}`)
    if (!file) throw new Error(`${name} was not published in ${repository}.`)
    return [files.has(`${repository} ${name}`) ? repository : `${repository}-security`, file] as const
  }
  const writeSources = () => box.write('/etc/apt/sources.list', `${[...sources.values()].join('\n')}\n`)

  /** Writes packages without content into dpkg's records, as dpkg would. */
  const record = async (packages: FamilyPackage[]) => {
    const fields = 'Status: install ok installed\nMaintainer: x\nArchitecture: all\nDescription: x'
    const entries = packages.map(({ name, version }) => `Package: ${name}\nVersion: ${version}\n${fields}\n`)
    await appendFile(join(box.root, 'var/lib/dpkg/status'), `\n${entries.join('\n')}\n`)
    for (const { name } of packages) await box.write(`/var/lib/dpkg/info/${name}.list`, '/.\n')
  }

  const held = (await box.must(['apt-mark', 'showhold'])).split('\n').filter(Boolean)
  if (held.length > 0) await box.must(['apt-mark', 'unhold', ...held])
  const own = opened.move()
  const host: AptHost = {
    ...box,
    arch,
    repositories,
    holdFiles: [],
    full: (version) => version,

    async installDebs(packages) {
      if (packages.length === 0) return
      const debs = await buildPackages(packages, join(box.root, 'tmp/install'))
      await box.must(['dpkg', '--force-unsafe-io', '-i', ...debs.map((path) => path.slice(box.root.length))])
      await rm(join(box.root, 'tmp/install'), { recursive: true })
    },
    async install(packages) {
      const plain = packages.filter(isPlain)
      // Hundreds of them would take dpkg its time.
      if (plain.length < 50) return host.installDebs(packages.map(debianPackage))
      await record(plain)
      await host.installDebs(packages.filter((item) => !isPlain(item)).map(debianPackage))
    },

    async publishDebs(publication, name = 'main') {
      for (const item of publication.packages ?? [])
        files.set(`${name} ${item.name}`, join('pool', fileName(item)))
      await repositories.publish(
        name,
        (folder) => buildAptRepository(folder, arch, publication),
        publication.publishedAt,
      )
      sources.set(name, `deb [trusted=yes] ${repositories.url(name)} ${publication.suite ?? 'stable'} main`)
      await writeSources()
    },
    async publish(packages, name = 'main') {
      // apt knows a security update by where it comes from.
      const security = packages.filter((item) => item.security)
      if (security.length > 0 || sources.has(`${name}-security`)) {
        const from = { label: 'Debian-Security', suite: 'stable-security' }
        await host.publishDebs({ ...from, packages: security.map(debianPackage) }, `${name}-security`)
      }
      await host.publishDebs({ packages: packages.filter((item) => !item.security).map(debianPackage) }, name)
    },
    async disableRepositories() {
      sources.clear()
      await writeSources()
    },
    size: (name, repository) => repositories.size(...fileOf(name, repository)),
    lose: (name, repository) => repositories.lose(...fileOf(name, repository)),

    async hold(name) {
      await box.must(['apt-mark', 'hold', name])
    },
    holds: async () => (await box.must(['apt-mark', 'showhold'])).split('\n').filter(Boolean).sort(),

    async versions() {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own format
      const format = '${Package}\t${Version}\t${db:Status-Status}\n'
      const { stdout } = await box.run(['dpkg-query', '-W', '-f', format, 'pb-*'])
      const versions: Record<string, string> = {}
      for (const line of stdout.split('\n').filter(Boolean)) {
        const [name = '', version, state] = line.split('\t')
        if (state !== 'not-installed')
          versions[name] = state === 'installed' ? `${version}` : `${version} (${state})`
      }
      return versions
    },

    async lock(path = '/var/lib/dpkg/lock-frontend') {
      const child = box.spawn(['perl', '-e', LOCKER, path])
      await box.ready(child, 'locked', `${path} could not be locked`)
      return child
    },

    async pretend(names) {
      await record(names.map((name) => ({ name, version: '1.0' })))
      const described = names.map(
        (name) =>
          `Package: ${name}\nArchitecture: all\nVersion: 2.0\nFilename: pool/${name}.deb\nSize: 7\nSHA256: ${'0'.repeat(64)}\nDescription: x\n`,
      )
      await host.publishDebs({ described })
    },

    [Symbol.asyncDispose]: () => own.disposeAsync(),
  }
  return host
}

/** Of name and version alone. */
const isPlain = (item: FamilyPackage): boolean => Object.keys(item).length === 2

function debianPackage(item: FamilyPackage): DebianPackage {
  const { name, version, epoch, depends, config, files, preinstall, postinstall, obsoletes, conflicts } = item
  return {
    name,
    version: epoch === undefined ? version : `${epoch}:${version}`,
    depends: depends?.map((needed) => needed.replace(/^(\S+) (.+)$/, '$1 ($2)')).join(', '),
    replaces: obsoletes,
    conflicts,
    conffiles: config,
    files,
    preinst: preinstall,
    postinst: postinstall,
  }
}

export const apt: Family = {
  name: 'apt',
  script: join(checkout, 'patch-scripts/debian/apt-update.sh'),
  title: 'Debian/Ubuntu APT Update Script',
  traits: {
    security: true,
    only: true,
    repo: false,
    replaces: false,
    arch: 'all',
    newConfig: '.dpkg-dist',
    failingPostinstall: 'failure',
    failingPreinstall: 'failure',
    repository: (name) => (name.endsWith('-security') ? 'Debian-Security:stable-security' : 'Test:stable'),
    size: true,
    processes: /^(apt|dpkg|http)/,
    downloads: '/var/cache/apt/archives',
    metadata: ['/var/lib/apt/lists', '/var/cache/apt', '/tmp'],
  },
  createHost: createAptHost,
}
