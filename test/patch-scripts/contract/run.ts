/** What the contract's tests share: the script's report, the usual host, and a package that waits to be let go. */
import type { ChildProcess } from 'node:child_process'
import type { Box, RunOptions, RunResult } from '../../support/hosts/box.ts'
import { type Family, type FamilyHost, type FamilyPackage, packagesAt } from '../../support/hosts/family.ts'

export type Row = {
  package: string
  current_version: string | null
  new_version: string
  repository: string | null
  security: boolean | null
  arch: string
  size: number | null
  new_dependency: boolean
  replaces?: string[]
  state?: string
}

export type Report = {
  updates_available: number | null
  packages: Row[]
  dry_run: boolean
  exclusions: string[]
  excluded: Row[]
  held: Row[]
  upgraded: Row[]
  failed: Row[]
  warnings: string[]
  reboot_required: boolean | null
  reboot_reason: string | null
  services_to_restart: string[] | null
  execution_time: number
  evidence: {
    refreshed: boolean
    refresh_error: string | null
    newest_metadata_age_seconds: number | null
    manager: string
    manager_version: string | null
  }
  error: string | null
}

/** The JSON of the last line. What is no JSON fails with the whole output. */
export function reportOf({ stdout, stderr }: RunResult): Report {
  const last = stdout.trimEnd().split('\n').at(-1) ?? ''
  try {
    return JSON.parse(last) as Report
  } catch (cause) {
    throw new Error(`The last line is not JSON. stdout:\n${stdout}\nstderr:\n${stderr}`, { cause })
  }
}

export const names = (rows: Row[]): string[] => rows.map((row) => row.package)

/** Messages and numbers in German; where its locale was not made, the messages alone: C.UTF-8 has a LANGUAGE, too. */
export async function german(host: Box): Promise<Record<string, string>> {
  const made = (await host.must(['locale', '-a'])).split('\n').includes('de_DE.utf8')
  return { LANG: 'de_DE.UTF-8', LC_ALL: made ? 'de_DE.UTF-8' : 'C.UTF-8', LANGUAGE: 'de' }
}

export const CONFIG = '/etc/pb-conf.conf'

/** One set for all tests, so that it is installed once. What a test does not publish stays as it is. */
const INSTALLED: FamilyPackage[] = [
  ...packagesAt(
    '1.0',
    'pb-alpha',
    'pb-app',
    'pb-beta',
    'pb-broken',
    'pb-c++.2',
    'pb-gate',
    'pb-held',
    'pb-lib',
  ),
  { name: 'pb-conf', version: '1.0', config: { [CONFIG]: 'one\n' } },
]

export type Subject = {
  host: FamilyHost
  /** The script with these arguments, to its end. */
  patch(args: string[], options?: RunOptions): Promise<RunResult & { report: Report }>
  /** The script, started as a process that can be sent signals. */
  start(args: string[]): ChildProcess
  /** All installed packages and their complete versions; `changed` names those that are not at 1.0. */
  expected(changed: Record<string, string>): Record<string, string>
  /** What keeps holds, byte by byte, and what the manager says about them. */
  holdState(): Promise<unknown>
  /** Processes of the manager that are still at work. */
  atWork(): Promise<string[]>
  [Symbol.asyncDispose](): Promise<void>
}

/** A host with the usual packages, of which the administrator holds pb-held. */
export async function subject(family: Family, published: FamilyPackage[]): Promise<Subject> {
  await using opened = new AsyncDisposableStack()
  const host = opened.use(await family.createHost(INSTALLED))
  if (published.length > 0) await host.publish(published)
  await host.hold('pb-held')
  const own = opened.move()
  return {
    host,
    async patch(args, options) {
      const result = await host.run([family.script, ...args], options)
      return { ...result, report: reportOf(result) }
    },
    // In a process group of its own, as a shell starts it.
    start: (args) => host.spawn([family.script, ...args], { detached: true }),
    expected: (changed) => ({
      ...Object.fromEntries(INSTALLED.map(({ name, version }) => [name, host.full(version)])),
      ...Object.fromEntries(Object.entries(changed).map(([name, version]) => [name, host.full(version)])),
    }),
    holdState: async () => [
      await host.holds(),
      ...(await Promise.all(host.holdFiles.map((path) => host.read(path)))),
    ],
    atWork: async () =>
      [...(await host.processes()).values()].filter((name) => family.traits.processes.test(name)),
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  }
}

export const usual = (family: Family): Promise<Subject> =>
  subject(family, packagesAt('2.0', 'pb-alpha', 'pb-beta', 'pb-held'))

/** pb-gate's installation reports to one FIFO and then waits for another: the middle of a transaction. */
export async function gated(family: Family) {
  const postinstall = 'echo configuring >/run/pb-started; read -r go </run/pb-gate'
  const it = await subject(family, [
    { name: 'pb-gate', version: '2.0', postinstall },
    ...packagesAt('2.0', 'pb-alpha', 'pb-held'),
  ])
  await it.host.must(['mkfifo', '/run/pb-started', '/run/pb-gate'])
  return {
    ...it,
    /** Resolves in the middle of the transaction. */
    configuring: () => it.host.must(['timeout', '60', 'cat', '/run/pb-started']),
    /** Lets it go on. Fails when nobody is there any more. */
    open: () => it.host.must(['timeout', '20', 'sh', '-c', 'echo go >/run/pb-gate']),
  }
}

/** Resolves when the child has printed these words; rejects when it ends without them. */
export const said = (child: ChildProcess, words: string) =>
  new Promise<void>((resolve, reject) => {
    let text = ''
    child.stdout?.on('data', (more) => {
      text += more
      if (text.includes(words)) resolve()
    })
    child.once('close', () => reject(new Error(`It ended without "${words}":\n${text}`)))
  })
