import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readResult } from '../../../hooks/operations/result.ts'
import { fitted } from '../../../hooks/operations/result-size.ts'

/** What would be stored of a script's output, and how long the event loop was not free for others at a time. */
export async function stored(output: string | Buffer) {
  const folder = await mkdtemp(join(tmpdir(), 'patchbase-result-'))
  try {
    const path = join(folder, 'stdout')
    await writeFile(path, output)
    const { size } = await stat(path)
    const upload = { field: 'stdout_file', originalName: 'x', path, size, sha256: '' }
    let last = performance.now()
    let blockedMs = 0
    const look = () => {
      blockedMs = Math.max(blockedMs, performance.now() - last)
      last = performance.now()
    }
    const timer = setInterval(look, 1)
    const { read, refusal } = await readResult(upload)
    const result = read ? fitted(read.result) : null
    look()
    clearInterval(timer)
    return { result, printed: read?.printed, refusal, blockedMs }
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
