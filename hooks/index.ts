// What happens when a record changes, one file per collection, and when time passes, one file per job.
import type { BoundHooks } from '../core/hooks.ts'
import type { Job } from '../core/jobs.ts'
import agentMetrics from './agent-metrics.ts'
import agentPackages from './agent-packages.ts'
import agents from './agents.ts'
import auditLog from './audit-log.ts'
import blackouts from './blackouts.ts'
import deviceCodes from './device-codes.ts'
import enrolmentTokens from './enrolment-tokens.ts'
import fleetRuns from './fleet-runs.ts'
import fleetSchedules from './fleet-schedules.ts'
import { ageEvidence } from './jobs/age-evidence.ts'
import { endLeases } from './jobs/end-leases.ts'
import { expandFleetRuns } from './jobs/expand-fleet-runs.ts'
import { expireOperations } from './jobs/expire-operations.ts'
import { fireSchedules } from './jobs/fire-schedules.ts'
import { followUp } from './jobs/follow-up.ts'
import { forgetDeviceCodes } from './jobs/forget-device-codes.ts'
import { forgetFleetRuns } from './jobs/forget-fleet-runs.ts'
import { forgetExpiredOtps } from './jobs/forget-otps.ts'
import { recheckStreams } from './jobs/recheck-streams.ts'
import { settleReboots } from './jobs/settle-reboots.ts'
import { sweepFiles } from './jobs/sweep-files.ts'
import { trimChangeLog } from './jobs/trim-change-log.ts'
import { withdrawScheduled } from './jobs/withdraw-scheduled.ts'
import packageExceptions from './package-exceptions.ts'
import patchOperations from './patch-operations.ts'
import patchSchedules from './patch-schedules.ts'
import proxmoxCluster from './proxmox-cluster.ts'
import proxmoxLxc from './proxmox-lxc.ts'
import proxmoxNodes from './proxmox-nodes.ts'
import proxmoxQemu from './proxmox-qemu.ts'
import rebootOperations from './reboot-operations.ts'
import rebootSchedules from './reboot-schedules.ts'
import scripts from './scripts.ts'
import superusers from './superusers.ts'
import users from './users.ts'

export const hooks: readonly BoundHooks[] = [
  superusers,
  users,
  agents,
  agentMetrics,
  agentPackages,
  enrolmentTokens,
  deviceCodes,
  scripts,
  patchOperations,
  rebootOperations,
  packageExceptions,
  patchSchedules,
  rebootSchedules,
  fleetSchedules,
  fleetRuns,
  blackouts,
  proxmoxCluster,
  proxmoxNodes,
  proxmoxLxc,
  proxmoxQemu,
  auditLog,
]

export const jobs: readonly Job[] = [
  ageEvidence,
  endLeases(),
  expireOperations,
  settleReboots(),
  followUp,
  fireSchedules,
  expandFleetRuns,
  withdrawScheduled,
  recheckStreams,
  trimChangeLog,
  forgetDeviceCodes,
  forgetExpiredOtps,
  forgetFleetRuns,
  sweepFiles,
]
