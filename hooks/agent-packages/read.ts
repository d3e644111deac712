import { z } from 'zod'
import { BadRequest, TooLarge } from '../../core/errors.ts'
import { fieldsOf } from '../../core/input.ts'
import { packageArch, packageName, packageVersion } from './letters.ts'

/** A full TeX Live on a desktop has some 7,000. */
const PACKAGES_MAX = 20_000
const BYTES_MAX = 8 * 1_048_576

/** SHA-256 over the agent's list, in hex. Only compared: what it was taken over is the agent's affair. */
export const PackagesHash = z.string().regex(/^[0-9a-f]{64}$/)

const Inventory = z.object({ hash: PackagesHash, packages: z.array(z.unknown()) })

const Package = z.object({
  name: packageName,
  arch: packageArch,
  version: packageVersion,
  /** Absent where the package manager keeps no such mark with its packages. */
  held: z.boolean().optional(),
})
export type ReportedPackage = z.infer<typeof Package>

export type Inventory = { hash: string; packages: ReportedPackage[] }

/**
 * Reads a report. Packages that no manager could have installed are left out and counted, since one bad line must
 * not hide the others; a report that is too large as a whole is refused.
 */
export function readInventory(body: unknown): Inventory & { dropped: number } {
  const { hash, packages: sent } = fieldsOf(Inventory, body)
  if (sent.length > PACKAGES_MAX)
    throw new BadRequest('An error occurred while loading the submitted data.', {
      packages: {
        code: 'validation_length_too_long',
        message: `At most ${PACKAGES_MAX} packages are accepted.`,
      },
    })
  const found = new Map<string, ReportedPackage>()
  for (const item of sent) {
    const { data } = Package.safeParse(item)
    if (data) found.set(`${data.name} ${data.arch}`, data)
  }
  const packages = [...found.values()]
  const bytes = packages.reduce(
    (sum, { name, arch, version }) => sum + name.length + arch.length + version.length,
    0,
  )
  if (bytes > BYTES_MAX) throw new TooLarge(`The names and versions are more than ${BYTES_MAX} bytes.`)
  return { hash, packages, dropped: sent.length - packages.length }
}
