import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readResult } from '../../../hooks/operations/result.ts'
import { fitted } from '../../../hooks/operations/result-size.ts'

/** What would be stored of a script's output, and the processor's time that it took: that of a busy machine, too. */
export async function stored(output: string | Buffer) {
  const folder = await mkdtemp(join(tmpdir(), 'patchbase-result-'))
  try {
    const path = join(folder, 'stdout')
    await writeFile(path, output)
    const { size } = await stat(path)
    const upload = { field: 'stdout_file', originalName: 'x', path, size, sha256: '' }
    const before = process.cpuUsage()
    const { read, refusal } = await readResult(upload)
    const result = read ? fitted(read.result) : null
    const { user, system } = process.cpuUsage(before)
    return { result, printed: read?.printed, refusal, cpuMs: (user + system) / 1000 }
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** An entry of a package list as the scripts print it. */
export const entry = (name: string, more: Record<string, unknown> = {}) => ({
  package: name,
  current_version: '1:1.22.1-9',
  new_version: '1:1.22.1-9+deb12u1',
  repository: 'Debian-Security:12/stable-security',
  security: true,
  arch: 'amd64',
  size: 527_244,
  new_dependency: false,
  ...more,
})

/** A result as the scripts print it, of a dry run that found these packages. */
export const printedResult = (
  packages: unknown[] = [entry('nginx')],
  more: Record<string, unknown> = {},
) => ({
  updates_available: packages.length,
  packages,
  dry_run: true,
  exclusions: [],
  excluded: [],
  held: [],
  upgraded: [],
  failed: [],
  warnings: [],
  reboot_required: null,
  reboot_reason: null,
  services_to_restart: null,
  execution_time: 2.51,
  evidence: {
    refreshed: true,
    refresh_error: null,
    newest_metadata_age_seconds: 3600,
    manager: 'apt',
    manager_version: '2.6.1',
  },
  error: null,
  ...more,
})
