/** What the tools do with a container's box: run something in it, end all that runs, keep its files and put them back. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import type { Guest } from './state.ts'

export type Box = NonNullable<Guest['box']>

const mounted = ({ keeper, folder }: Box): string => `/proc/${keeper}/root${folder}/mounted`
export const rootOf = (box: Box): string => join(mounted(box), 'root')

const enter = (box: Box): string[] => [
  `--mount=/proc/${box.keeper}/ns/mnt`,
  `--root=${rootOf(box)}`,
  `--wd=${rootOf(box)}`,
  '--',
]

/**
 * Runs a command as lxc-attach does: streams are ours, and the exit code is its own, or 128 and the signal. It is in
 * a session of its own, as nothing that is sent to pct reaches what runs inside: killing pct leaves that running.
 */
export function attach(
  box: Box,
  command: string[],
  env: NodeJS.ProcessEnv,
  network: boolean,
): Promise<number> {
  // A network without an address and without a way out.
  const alone = network ? [] : ['unshare', '--net', '--']
  const child = spawn('nsenter', [...enter(box), ...alone, ...command], {
    env,
    stdio: 'inherit',
    detached: true,
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']))
  })
}

/** Runs lines of sh inside, with `input` (a descriptor) as stdin and `output` as stdout. */
export function inside(box: Box, lines: string, args: string[], input: number, output: number) {
  const argv = [...enter(box), 'sh', '-c', lines, 'sh', ...args]
  const { status, stderr } = spawnSync('nsenter', argv, { stdio: [input, output, 'pipe'], encoding: 'utf8' })
  return { status, stderr }
}

/** Ends everything inside, at once. */
export function killAll(box: Box): void {
  const namespace = readlinkSync(`/proc/${box.keeper}/ns/mnt`)
  // What was started while we looked is found the next time.
  for (let found = 1, pass = 0; found > 0 && pass < 100; pass++) {
    found = 0
    for (const name of readdirSync('/proc')) {
      const pid = Number(name)
      if (!pid || pid === box.keeper || !isIn(pid, namespace)) continue
      found++
      try {
        process.kill(pid, 'SIGKILL')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    }
  }
}

function isIn(pid: number, namespace: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`) === namespace
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

/** What a start finds: /run is in memory and begins empty. */
export function emptyRun(box: Box): void {
  const run = join(rootOf(box), 'run')
  for (const name of readdirSync(run)) rmSync(join(run, name), { recursive: true, force: true })
  mkdirSync(join(run, 'lock'), { recursive: true })
}

const snapshotOf = (box: Box, name: string): string => join(mounted(box), 'snapshots', name)

export function saveFiles(box: Box, name: string): void {
  mkdirSync(join(mounted(box), 'snapshots'), { recursive: true })
  must('cp', ['--archive', join(mounted(box), 'upper'), snapshotOf(box, name)])
}

export const dropFiles = (box: Box, name: string): void =>
  rmSync(snapshotOf(box, name), { recursive: true, force: true })

// An overlay's upper folder may not be changed below it, so it is mounted anew; what is mounted within is set aside.
const RESTORE = `
set -e
cd "$1/mounted"
name=$2 options=$3
shift 3
mkdir -p aside
number=0
for path in "$@"; do
  number=$((number + 1))
  if [ -d "root/$path" ]; then mkdir -p aside/$number; else : >aside/$number; fi
  mount --move "root/$path" aside/$number
done
umount root
rm -rf upper work
cp --archive "snapshots/$name" upper
mkdir work
mount -t overlay overlay -o "$options" root
number=0
for path in "$@"; do
  number=$((number + 1))
  mount --move aside/$number "root/$path"
done
`

export function restoreFiles(box: Box, name: string): void {
  const root = join(box.folder, 'mounted/root')
  const mounts = readFileSync(`/proc/${box.keeper}/mountinfo`, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [before = '', after = ''] = line.split(' - ')
      return { path: before.split(' ')[4] ?? '', options: after.split(' ')[2] ?? '' }
    })
  const own = mounts.find(({ path }) => path === root)
  const options = (own?.options ?? '')
    .split(',')
    .filter((option) => /^(lowerdir|upperdir|workdir)=/.test(option))
    .join(',')
  const within = mounts.filter(({ path }) => path.startsWith(`${root}/`)).map(({ path }) => path)
  const outermost = within.filter((path) => !within.some((other) => path.startsWith(`${other}/`)))
  const paths = [...new Set(outermost)].map((path) => path.slice(root.length + 1))
  const namespace = `--mount=/proc/${box.keeper}/ns/mnt`
  must('nsenter', [namespace, '--', 'sh', '-c', RESTORE, 'sh', box.folder, name, options, ...paths])
}

function must(command: string, args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} failed with ${status}: ${error?.message ?? stderr}`)
}
