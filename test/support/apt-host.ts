/**
 * A Debian host for tests: this machine as the read-only lower layer of an overlay, everything written in
 * memory, real apt and dpkg inside, our own repository as the only one configured.
 *
 *   /  (lower, untouched)  +  tmpfs/upper  =  tmpfs/root, in a private mount namespace
 *
 * A keeper process holds the namespace. When its stdin ends, because the host is disposed or because this
 * process died, it kills what still runs inside and leaves, and the mounts vanish with it.
 */
import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import {
  appendFile,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Publication, serveRepositories } from './apt-repository.ts'
import { buildPackages, type DebianPackage } from './debian-package.ts'

const execute = promisify(execFile)

/** Debian packages the test hosts and their suites need beyond what every Debian has. */
export const debianPackages = ['apt-utils', 'shellcheck']

/** Mounting and chroot are root's. A suite that uses a host is left out for others, and says so. */
export const isRoot = process.getuid?.() === 0

const checkout = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

// $1: a folder of ours; $2: a folder on another mount that must be visible inside, or nothing.
const KEEPER = `
set -e
mkdir "$1/mounted"
mount -t tmpfs -o mode=755 tmpfs "$1/mounted"
cd "$1/mounted"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work" root
mount -t proc proc root/proc
mount --rbind /dev root/dev
if [ -n "$2" ]; then mkdir -p "root$2"; mount --bind "$2" "root$2"; fi
find root/etc/apt root/var/lib/apt/lists root/var/cache/apt -mindepth 1 -delete
rm -f root/run/reboot-required* root/boot/vmlinuz-*
mkdir -p root/etc/apt/apt.conf.d root/etc/apt/preferences.d
echo ready
read -r end || true
own=$(readlink /proc/self/ns/mnt)
for pass in 1 2 3; do
  for process in /proc/[0-9]*; do
    [ "$process" != "/proc/$$" ] || continue
    [ "$(readlink "$process/ns/mnt")" != "$own" ] || kill -KILL "\${process#/proc/}" 2>/dev/null || true
  done
done
cd /
umount --lazy "$1/mounted"
rm -rf --one-file-system "$1"
`

// A perl of every Debian; flock(1) would take another kind of lock than apt and dpkg do.
const LOCKER = `
use Fcntl qw(:DEFAULT :seek F_SETLK F_WRLCK);
sysopen(my $file, $ARGV[0], O_RDWR | O_CREAT, 0640) or die "open: $!";
my $lock = pack("s s x4 q q l x4", F_WRLCK, SEEK_SET, 0, 0, 0);
fcntl($file, F_SETLK, $lock) or die "lock: $!";
$| = 1; print "locked\\n"; <STDIN>;
`

export type RunOptions = { env?: Record<string, string>; signal?: AbortSignal; input?: string }
export type RunResult = { code: number | null; stdout: string; stderr: string }
export type AptHost = Awaited<ReturnType<typeof createAptHost>>

/** Paths that refreshing metadata may change. */
const METADATA = ['/var/lib/apt/lists', '/var/cache/apt', '/tmp']

/** Dispose it: `await using host = await createAptHost()`. Throws with the remedy when a tool is missing. */
export async function createAptHost() {
  await requireTools()
  // Undoes the steps below if a later one fails.
  await using opened = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'patchbase-apt-host-'))
  const ownMount = (await stat(checkout)).dev === (await stat('/')).dev ? '' : checkout
  // Detached: an interrupt from the terminal must reach us only, or nobody would be left to clean up.
  const keep = ['--mount', 'sh', '-c', KEEPER, 'sh', folder, ownMount]
  const keeper = spawn('unshare', keep, { detached: true })
  const ended = once(keeper, 'exit')
  opened.defer(async () => {
    keeper.stdin?.end()
    await ended
    await rm(folder, { recursive: true, force: true })
  })
  await ready(keeper, 'ready', 'The test host could not be mounted')
  const mounted = `/proc/${keeper.pid}/root${folder}/mounted`
  const root = join(mounted, 'root')
  const namespace = await readlink(`/proc/${keeper.pid}/ns/mnt`)
  const arch = (await execute('dpkg', ['--print-architecture'])).stdout.trim()
  const repositories = await serveRepositories(join(folder, 'repositories'), arch)
  opened.use(repositories)
  const sources = new Map<string, string>()

  const spawnInside = (argv: string[], options: SpawnOptions = {}): ChildProcess =>
    spawn(
      'nsenter',
      [`--mount=/proc/${keeper.pid}/ns/mnt`, `--root=${root}`, `--wd=${root}`, '--', ...argv],
      {
        ...options,
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LANG: 'C.UTF-8', ...options.env },
      },
    )

  const run = async (argv: string[], options: RunOptions = {}): Promise<RunResult> => {
    const child = spawnInside(argv, {
      env: options.env,
      signal: options.signal,
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    child.stdin?.end(options.input)
    return finished(child)
  }

  const must = async (argv: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(argv)
    if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code} in the test host: ${stderr}`)
    return stdout
  }

  let closing: AsyncDisposableStack | undefined
  const host = {
    /** The host's `/` as a path for this process. */
    root,
    arch,
    repositories,
    run,
    /** `run` that throws when the command fails; resolves to its stdout. */
    must,
    /** Starts a process inside; the child is that process itself, so its pid and signals are real. */
    spawn: spawnInside,
    /** Resolves when `child` and its output have ended. */
    finished,

    /** Replaces the packages of the repository `name` (default `main`) and makes it a source. */
    async publish(publication: Publication, name = 'main'): Promise<void> {
      await repositories.publish(name, publication)
      sources.set(name, `deb [trusted=yes] ${repositories.url(name)} ${publication.suite ?? 'stable'} main`)
      await host.write('/etc/apt/sources.list', `${[...sources.values()].join('\n')}\n`)
    },

    /** Installs packages as they are given, without a repository. */
    async install(packages: DebianPackage[]): Promise<void> {
      const debs = await buildPackages(packages, join(root, 'tmp/install'))
      await must(['dpkg', '--force-unsafe-io', '-i', ...debs.map((path) => path.slice(root.length))])
      await rm(join(root, 'tmp/install'), { recursive: true })
    },

    /** Writes version 1.0 of packages without files into dpkg's records: for thousands of them. */
    async record(names: string[]): Promise<void> {
      const fields =
        'Status: install ok installed\nMaintainer: x\nArchitecture: all\nVersion: 1.0\nDescription: x'
      const entries = names.map((name) => `Package: ${name}\n${fields}\n`)
      await appendFile(join(root, 'var/lib/dpkg/status'), `\n${entries.join('\n')}\n`)
      for (const name of names) await host.write(`/var/lib/dpkg/info/${name}.list`, '/.\n')
    },

    async write(path: string, content: string): Promise<void> {
      await mkdir(dirname(join(root, path)), { recursive: true })
      await writeFile(join(root, path), content)
    },

    read: (path: string): Promise<string> => readFile(join(root, path), 'utf8'),

    /** Packages that match `pattern` and their versions; ` (state)` is added unless installed properly. */
    async versions(pattern = 'pb-*'): Promise<Record<string, string>> {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own format
      const format = '${Package}\t${Version}\t${db:Status-Status}\n'
      const { stdout } = await run(['dpkg-query', '-W', '-f', format, pattern])
      const versions: Record<string, string> = {}
      for (const line of stdout.split('\n').filter(Boolean)) {
        const [name = '', version, state] = line.split('\t')
        if (state !== 'not-installed') {
          versions[name] = state === 'installed' ? `${version}` : `${version} (${state})`
        }
      }
      return versions
    },

    holds: async (): Promise<string[]> => (await must(['apt-mark', 'showhold'])).split('\n').filter(Boolean),

    /** Everything written since the host was made: path to a mark that changes with the file. */
    async changes(ignored: string[] = METADATA): Promise<Record<string, string>> {
      const found: Record<string, string> = {}
      const upper = join(mounted, 'upper')
      const walk = async (path: string): Promise<void> => {
        for (const name of await readdir(join(upper, path))) {
          const inside = `${path}/${name}`
          if (ignored.includes(inside)) continue
          const entry = await lstat(join(upper, inside))
          if (!entry.isDirectory()) found[inside] = `${entry.ino} ${entry.size} ${entry.mtimeMs}`
          // The overlay copies a folder up when something below it was touched; only a new one is a change.
          else if (!existsSync(inside)) found[inside] = 'folder'
          if (entry.isDirectory()) await walk(inside)
        }
      }
      await walk('')
      return found
    },

    /** Command names of the processes inside, by pid. */
    async processes(): Promise<Map<number, string>> {
      const inside = new Map<number, string>()
      for (const name of await readdir('/proc')) {
        const pid = Number(name)
        if (!pid || pid === keeper.pid) continue
        const own = await readlink(`/proc/${pid}/ns/mnt`).catch(() => '')
        const command = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
        if (own === namespace && command) inside.set(pid, command.trim())
      }
      return inside
    },

    /** Holds an apt or dpkg lock file until the child's stdin is ended. */
    async lock(path = '/var/lib/dpkg/lock-frontend'): Promise<ChildProcess> {
      const child = spawnInside(['perl', '-e', LOCKER, path])
      await ready(child, 'locked', `${path} could not be locked`)
      return child
    },

    async [Symbol.asyncDispose](): Promise<void> {
      await closing?.disposeAsync()
    },
  }
  await host.write(
    '/etc/apt/apt.conf.d/90test-host',
    'Acquire::Retries "0";\nAPT::Install-Recommends "false";\n',
  )
  const held = await host.holds()
  if (held.length > 0) await must(['apt-mark', 'unhold', ...held])
  closing = opened.move()
  return host
}

async function requireTools(): Promise<void> {
  for (const tool of ['apt-get', 'dpkg-deb', 'apt-ftparchive', 'unshare', 'nsenter', 'perl']) {
    await execute('which', [tool]).catch(() => {
      throw new Error(
        `The test host needs ${tool}, which was not found. Run: apt-get install -y ${debianPackages.join(' ')}`,
      )
    })
  }
}

/** Waits for a line on the child's stdout; its early end is an error that carries its stderr. */
async function ready(child: ChildProcess, line: string, otherwise: string): Promise<void> {
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => text.includes(line) && resolve())
    child.once('close', (code) => reject(new Error(`${otherwise} (code ${code}): ${stderr.trim()}`)))
  })
}

async function finished(child: ChildProcess): Promise<RunResult> {
  const result: RunResult = { code: null, stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    result.stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    result.stderr += text
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { ...result, code }
}
