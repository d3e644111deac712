/** A pacman host and the script on it. */
import type { RunOptions, RunResult } from '../../support/hosts/box.ts'
import { createPacmanHost, type PacmanHost, pacman } from '../../support/hosts/pacman.ts'
import type { PacmanPackage } from '../../support/hosts/pacman-package.ts'
import { type Report, type Row, reportOf } from '../contract/run.ts'

/** The database folder and what lies in it besides the records: fresh metadata, a lock, what an interruption left. */
export const DATABASE = '/var/lib/pacman'

export type PacmanSubject = PacmanHost & {
  patch(args?: string[], options?: RunOptions): Promise<RunResult & { report: Report }>
  /** Modification time and bytes of the system's own copy of the metadata. */
  metadata(): Promise<string>
}

export async function pacmanWith(installed: PacmanPackage[]): Promise<PacmanSubject> {
  const host = await createPacmanHost(installed)
  return {
    ...host,
    async patch(args = [], options) {
      const result = await host.run([pacman.script, ...args], options)
      return { ...result, report: reportOf(result) }
    },
    metadata: () => host.must(['sh', '-c', `cd ${DATABASE}/sync && stat -c '%n %Y' * && cat *`]),
  }
}

/** Rows as `NAME CURRENT NEW`. */
export const lines = (rows: Row[]): string[] =>
  rows.map((row) => `${row.package} ${row.current_version} ${row.new_version}`)
