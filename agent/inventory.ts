import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { AgentError } from './errors.ts'
import { apk } from './inventory-apk.ts'
import { dpkg } from './inventory-dpkg.ts'
import { pacman } from './inventory-pacman.ts'
import { rpm } from './inventory-rpm.ts'
import type { Log } from './log.ts'
import { remembered, stampOf } from './remembered.ts'

export type InstalledPackage = {
  name: string
  arch: string
  /** Complete: with epoch and release where the package has them. */
  version: string
  /** Kept as it is by the administrator; absent where the package database does not say. */
  held?: boolean
}

/** Where a package manager keeps what it has installed. */
export type PackageDatabase = {
  /** Files and folders of which one changes with every change of the database, from the root of the file system. */
  files: readonly string[]
  list: (root: string) => Promise<InstalledPackage[]>
}

const DATABASES = new Map(Object.entries({ apt: dpkg, dnf: rpm, yum: rpm, zypper: rpm, pacman, apk }))

/** The server takes no more. */
const PACKAGES_MAX = 20_000
/** What is anything else is no package, whoever has put it there. */
const PRINTABLE = /^[!-~]{1,255}$/

/** Everything that is installed, in one order, and what tells two such lists apart: SHA-256, in hex. */
export type Inventory = { hash: string; packages: InstalledPackage[] }

const byName = (a: InstalledPackage, b: InstalledPackage) => {
  const [one, other] = [`${a.name} ${a.arch}`, `${b.name} ${b.arch}`]
  return one < other ? -1 : one > other ? 1 : 0
}

/** Of several versions under one name and architecture the last counts. */
export const inventoryOf = (listed: readonly InstalledPackage[]): Inventory => {
  const found = new Map<string, InstalledPackage>()
  for (const item of listed)
    if (
      PRINTABLE.test(item.name) &&
      PRINTABLE.test(item.version) &&
      (item.arch === '' || PRINTABLE.test(item.arch))
    )
      found.set(`${item.name} ${item.arch}`, item)
  const packages = [...found.values()].sort(byName).slice(0, PACKAGES_MAX)
  const hash = createHash('sha256')
  for (const { name, arch, version, held } of packages)
    hash.update(`${name}\t${arch}\t${version}\t${held === undefined ? '' : Number(held)}\n`)
  return { hash: hash.digest('hex'), packages }
}

/**
 * What is installed under `root`, read anew when the package database has changed or `occasion` is another one than
 * before: the end of an operation, after which not even a file's time is relied on.
 */
export const openInventory = (root: string, log: Log, patienceMs?: number) => {
  const remember = remembered<Inventory>('The list of installed packages', log, patienceMs)
  return async (manager: string | undefined, occasion: string): Promise<Inventory | undefined> => {
    const database = DATABASES.get(manager ?? '')
    if (!database) return undefined
    return remember({
      key: async () =>
        `${manager} ${occasion} ${await stampOf(database.files.map((file) => join(root, file)))}`,
      answer: async () => {
        const inventory = inventoryOf(await database.list(root))
        // A database that is missing or being rebuilt; the host itself would not run without a package.
        if (inventory.packages.length === 0) throw new AgentError(`${manager} lists no package at all.`)
        return inventory
      },
    })
  }
}
