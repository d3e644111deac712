import { collectFacts } from './facts.ts'
import { type Inventory, openInventory } from './inventory.ts'
import type { Log } from './log.ts'
import { openManagerVersion } from './manager-version.ts'
import { type CpuTimes, collectMetrics } from './metrics.ts'

/** What a heartbeat tells of a machine; `read` reads it anew at each call. */
export type Machine = {
  read: () => Record<string, unknown> | Promise<Record<string, unknown>>
  /** What is installed; `occasion` changes where that may have changed. */
  inventory?: (occasion: string) => Promise<Inventory | undefined>
}

/** The machine whose file system starts at `root`. Rates are those since the reading before. */
export const openMachine = (root: string, log: Log): Machine => {
  let cpu: CpuTimes | undefined
  let manager: string | undefined
  const version = openManagerVersion(root, log)
  const inventory = openInventory(root, log)
  return {
    async read() {
      const { hostname, os_type, capabilities, ...facts } = collectFacts(root)
      const { metrics, cpu: now } = collectMetrics(cpu, root)
      cpu = now
      manager = facts.package_manager
      const package_manager_version = await version(manager)
      return { action: 'ingest-metrics', system_metrics: metrics, ...facts, package_manager_version }
    },
    inventory: (occasion) => inventory(manager, occasion),
  }
}
