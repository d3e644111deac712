import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The exit codes that pretended scripts end with, and of how many in a hundred runs. */
const EXITS: readonly (readonly [code: number, share: number])[] = [
  [0, 85],
  [2, 10],
  [101, 3],
  [104, 2],
]

export type Outputs = {
  /** The file with what a script that ended so has printed; of one that did not end, what it had until then. */
  path(stream: 'stdout' | 'stderr', exitCode: number | undefined): string
  /** How the script of this operation ends: the same each time it is asked. */
  exitCodeOf(operation: string): number
}

/** Writes what patch scripts print, as their contract has it, once for all agents. */
export function writeOutputs(folder: string): Outputs {
  mkdirSync(folder, { recursive: true })
  for (const [code] of EXITS) {
    writeFileSync(join(folder, `stdout-${code}`), stdoutOf(code))
    writeFileSync(join(folder, `stderr-${code}`), code > 2 ? 'E: The pretended transaction failed.\n' : '')
  }
  writeFileSync(join(folder, 'stdout-undefined'), '=== Debian/Ubuntu APT Update Script ===\n')
  writeFileSync(join(folder, 'stderr-undefined'), '')
  return {
    path: (stream, exitCode) => join(folder, `${stream}-${exitCode}`),
    exitCodeOf(operation) {
      let hash = 0
      for (const letter of operation) hash = (hash * 31 + letter.charCodeAt(0)) >>> 0
      let left = hash % 100
      for (const [code, share] of EXITS) {
        if (left < share) return code
        left -= share
      }
      return 0
    },
  }
}

function stdoutOf(code: number): string {
  const packages = code === 2 ? [] : ['nginx', 'openssl', 'libssl3', 'curl', 'tzdata'].map(packageEntry)
  const lines = packages.map((entry) => `  ${entry.package}: ${entry.current_version} → ${entry.new_version}`)
  const failed = code === 104 ? [{ ...packages[0], state: 'half-configured' }] : []
  const result = {
    updates_available: code === 101 ? null : packages.length,
    packages,
    excluded: [],
    held: [],
    upgraded: code === 0 ? packages : [],
    failed,
    dry_run: false,
    exclusions: [],
    reboot_required: false,
    reboot_reason: null,
    execution_time: 4.2,
    evidence: { refreshed: code !== 101, refresh_error: null, manager: 'apt', manager_version: '2.6.1' },
    error: code > 2 ? 'The simulator pretends that this failed.' : null,
  }
  const head = '=== Debian/Ubuntu APT Update Script ===\nDry Run: false\n\n=== Available Updates ==='
  return `${[head, ...lines, ...Array.from({ length: 40 }, progressLine)].join('\n')}\n${JSON.stringify(result)}\n`
}

const packageEntry = (name: string, at: number) => ({
  package: name,
  current_version: `1.${at}.1-9`,
  new_version: `1.${at}.1-9+deb12u1`,
  repository: 'Debian-Security:12/stable-security',
  security: at % 2 === 0,
  arch: 'amd64',
  size: 527_244 + at,
  new_dependency: false,
})

const progressLine = (_: unknown, at: number) => `Unpacking part ${at + 1} of 40 ...`
