import { agents } from '../../collections/agents.ts'
import { proxmoxLxc } from '../../collections/proxmox-lxc.ts'
import { rebootOperations } from '../../collections/reboot-operations.ts'
import type { App } from '../../core/app.ts'
import type { Job } from '../../core/jobs.ts'
import { findAll } from '../../core/records/read.ts'
import { unbrokenTime } from '../../core/unbroken-time.ts'
import { settleReboot } from '../reboots/settle.ts'
import { OPEN } from '../reboots/states.ts'
import { verdictOf } from '../reboots/verdict.ts'

/** Reboots whose target has come back, or has not in its time. A heartbeat settles its own at once. */
export function settleReboots(steady?: () => number): Job {
  const time = unbrokenTime(steady)
  return {
    name: 'settle-reboots',
    schedule: '*/30 * * * * *',
    async run(app) {
      const now = app.clock()
      const since = time.since(app, now)
      const ended = await decided(app, now, since).catch((error: unknown) => {
        time.broken(app)
        throw error
      })
      for (const id of ended)
        await settleReboot(app, id, { since }).catch((error: unknown) =>
          app.log.error(
            { err: error, reboot: id },
            'A reboot could not be ended; the next sweep tries again.',
          ),
        )
    },
  }
}

/** Looked at together, so that only what has ended is looked at once more by itself. */
async function decided(app: App, now: Date, since: Date): Promise<string[]> {
  const open = await findAll(app.database, rebootOperations, OPEN)
  if (open.length === 0) return []
  const idsOf = (field: 'agent_id' | 'lxc_id') => [...new Set(open.map((reboot) => reboot[field]))]
  const [hosts, containers] = await Promise.all([
    findAll(app.database, agents, '"id" = any($1::text[])', [idsOf('agent_id')]),
    findAll(app.database, proxmoxLxc, '"id" = any($1::text[])', [idsOf('lxc_id')]),
  ])
  const hostOf = new Map(hosts.map((host) => [host.id, host]))
  const containerOf = new Map(containers.map((container) => [container.id, container]))
  return open
    .filter((reboot) => {
      const found = { host: hostOf.get(reboot.agent_id), inside: containerOf.get(reboot.lxc_id) }
      return verdictOf(reboot, found, { now, since })
    })
    .map(({ id }) => id)
}
