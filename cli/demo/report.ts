import { z } from 'zod'

const Package = z.object({
  package: z.string(),
  current_version: z.string().nullable().default(null),
  new_version: z.string().default(''),
  security: z.boolean().default(false),
})
type Package = z.infer<typeof Package>

const Result = z.object({
  packages: z.array(Package).default([]),
  held: z.array(Package).default([]),
  error: z.string().nullable().default(null),
})

/** What the report reads of a `patch_operations` record. */
export const Operation = z.object({
  id: z.string(),
  status: z.string(),
  exit_code: z.number().nullish(),
  error_message: z.string().default(''),
  result: Result.nullish().catch(null),
})
export type Operation = z.infer<typeof Operation>

const SHOWN = 40

/** A finished dry run for people to read, security updates first. It has not succeeded when apt could not be asked. */
export function reportLines(hostname: string, operation: Operation): { lines: string[]; succeeded: boolean } {
  const { packages = [], held = [], error = null } = operation.result ?? {}
  const succeeded = operation.status === 'completed'
  const lines: string[] = []
  if (!succeeded) {
    const why = error || operation.error_message || `exit code ${operation.exit_code}`
    lines.push(`The dry run ended as ${operation.status}: ${why}`)
    if (packages.length > 0) lines.push('What the older package lists offer:')
  } else if (packages.length === 0)
    lines.push(`${hostname} is up to date: every repository answered and offers nothing newer.`)
  else lines.push(headline(hostname, packages))
  if (packages.length > 0) lines.push('', ...table(packages))
  if (held.length > 0) lines.push('', `Held back by the administrator: ${names(held)}.`)
  return { lines, succeeded }
}

function headline(hostname: string, packages: Package[]): string {
  const fresh = packages.filter(({ current_version }) => current_version === null).length
  const security = packages.filter((item) => item.security).length
  const updates = packages.length - fresh
  return [
    `${updates} ${updates === 1 ? 'update' : 'updates'} for ${hostname}`,
    security > 0 ? `${security} for security` : 'none for security',
    ...(fresh > 0 ? [`${fresh} new ${fresh === 1 ? 'package' : 'packages'} needed by them`] : []),
  ].join(', ')
}

function table(packages: Package[]): string[] {
  const sorted = packages.toSorted((a, b) => Number(b.security) - Number(a.security))
  const rows = sorted
    .slice(0, SHOWN)
    .map((item) => [
      item.package,
      item.current_version ?? '(new)',
      item.new_version,
      item.security ? 'security' : '',
    ])
  const all = [['Package', 'Installed', 'Offered', ''], ...rows]
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  const lines = all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  const more = packages.length - SHOWN
  return more > 0 ? [...lines, `... and ${more} more`] : lines
}

const names = (packages: Package[]): string => {
  const first = packages.slice(0, SHOWN).map((item) => item.package)
  const more = packages.length - first.length
  return first.join(', ') + (more > 0 ? ` and ${more} more` : '')
}
