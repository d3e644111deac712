// What is stored: one collection per file, and this list of all of them.
import type { Collection } from '../core/collection.ts'
import { agentMetrics } from './agent-metrics.ts'
import { agentPackages } from './agent-packages.ts'
import { agents } from './agents.ts'
import { auditLog } from './audit-log.ts'
import { blackouts } from './blackouts.ts'
import { deviceCodes } from './device-codes.ts'
import { enrolmentTokens } from './enrolment-tokens.ts'
import { fleetRuns } from './fleet-runs.ts'
import { fleetSchedules } from './fleet-schedules.ts'
import { logChunks } from './log-chunks.ts'
import { lxcOsMap } from './lxc-os-map.ts'
import { operationLocks } from './operation-locks.ts'
import { packageExceptions } from './package-exceptions.ts'
import { patchOperations } from './patch-operations.ts'
import { patchSchedules } from './patch-schedules.ts'
import { proxmoxCluster } from './proxmox-cluster.ts'
import { proxmoxLxc } from './proxmox-lxc.ts'
import { proxmoxNodes } from './proxmox-nodes.ts'
import { proxmoxQemu } from './proxmox-qemu.ts'
import { rebootOperations } from './reboot-operations.ts'
import { rebootSchedules } from './reboot-schedules.ts'
import { scripts } from './scripts.ts'
import { superusers } from './superusers.ts'
import { users } from './users.ts'

export const collections: readonly Collection[] = [
  superusers,
  users,
  agents,
  agentMetrics,
  agentPackages,
  enrolmentTokens,
  deviceCodes,
  scripts,
  patchOperations,
  logChunks,
  operationLocks,
  packageExceptions,
  patchSchedules,
  fleetSchedules,
  fleetRuns,
  blackouts,
  rebootOperations,
  rebootSchedules,
  proxmoxCluster,
  proxmoxNodes,
  proxmoxLxc,
  proxmoxQemu,
  lxcOsMap,
  auditLog,
]
