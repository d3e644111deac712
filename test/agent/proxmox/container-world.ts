/** A Proxmox node with an agent on it, and a stand-in for the server: for operations in containers. */
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { AgentProcess, stateFolder } from '../../support/agent-process.ts'
import { openCluster } from '../../support/proxmox/cluster.ts'
import { type Row, StandIn } from '../../support/stand-in-server.ts'

/** What the agent waits for in minutes, in tenths of a second. */
const FAST = {
  ...{ heartbeatMs: 60_000, listMs: 1_000, stopWaitMs: 100, lockRetryMs: 100, containerPollMs: 100 },
  ...{ lockWaitMs: 1_000, containerStartMs: 5_000, healthMs: 1_000, shutdownMs: 5_000, settleMs: 5_000 },
  ...{ pctMs: 20_000, startWithinMs: 10_000 },
}
const WAIT_MS = 60_000

type Order = {
  vmid: unknown
  /** Its whole text. */
  script: string
  mode?: string
  name?: string
  family?: string
} & Record<string, unknown>

export type World = Awaited<ReturnType<typeof openWorld>>

export async function openWorld() {
  await using opened = new AsyncDisposableStack()
  const cluster = opened.use(await openCluster())
  const server = opened.use(await StandIn.start())
  const state = stateFolder(server.url)
  opened.defer(() => state[Symbol.dispose]())
  const own = opened.move()
  const { root } = cluster.node('pve1')

  return {
    cluster,
    server,
    state,

    /** Dispose it before the world. */
    agent: (timings: Record<string, number> = {}, more: string[] = []) =>
      new AgentProcess(['run', '--state-dir', state.folder, '--root', root, ...more], {
        ...FAST,
        ...timings,
      }),

    order({ script, name, family = 'debian', mode = 'apply', ...fields }: Order): Row {
      const id = randomUUID().replaceAll('-', '').slice(0, 15)
      const bytes = Buffer.from(script)
      const known = {
        name: name ?? `update-${id}.sh`,
        sha256: createHash('sha256').update(bytes).digest('hex'),
        size: bytes.length,
      }
      server.scripts.set(`script${id}`, bytes)
      const sequence = { sequence: Date.now() }
      server.validated.set(`script${id}`, { id, ...known, ...server.sign({ ...known, family, ...sequence }) })
      const row: Row = {
        ...{ id, status: 'pending', mode, lxc_id: `lxc${id}`.slice(0, 15), exclusions: [], packages: null },
        ...{ script_id: `script${id}`, script_url: `/api/files/scripts/script${id}/update.sh` },
        ...{ script_sha256: known.sha256, security_only: false, timeout_seconds: 60 },
        ...{ snapshot: false, snapshot_optional: false, start_stopped: false, after_patch: 'never' },
        created: new Date().toISOString(),
        ...fields,
      }
      server.operations.set(id, row)
      server.ring(row)
      return row
    },

    /** What of ours is left in a container, or lives. */
    left: (root: string) => leftIn(root, join(state.folder, 'jobs')),

    /** What was reported of an operation. */
    async result(row: Row): Promise<Record<string, unknown>> {
      await expect
        .poll(() => server.result(row.id), { timeout: WAIT_MS, interval: 20, message: `result of ${row.id}` })
        .toBeDefined()
      return server.result(row.id) ?? {}
    },

    /** The `pct` commands that change something, without the discovery's. */
    steps: () =>
      cluster
        .calls()
        .filter(({ tool, args }) => tool === 'pct' && CHANGING.includes(args[0] ?? ''))
        .map(({ args }) => args.slice(0, 3).join(' ')),

    /** Waits for a call that begins so, or holds such a word. */
    async called(words: string, after = 0) {
      await expect
        .poll(
          () =>
            cluster
              .calls()
              .slice(after)
              .some(({ tool, args }) => [tool, ...args].join(' ').includes(words)),
          {
            timeout: 20_000,
            interval: 5,
          },
        )
        .toBe(true)
    },

    [Symbol.asyncDispose]: () => own.disposeAsync(),
  }
}

const CHANGING = ['start', 'stop', 'shutdown', 'push', 'snapshot', 'rollback', 'delsnapshot']

/** Of what is made for a run, the name; it is in the environment of every process of it, too. */
const OURS = /patchbase-[0-9a-f]{32}/

/** What of ours is left in a container: paths, and the numbers of processes of this world's runs. */
function leftIn(root: string, jobs: string): string[] {
  const folders = ['run', 'root', 'tmp', 'var/tmp'].flatMap((folder) =>
    existsSync(join(root, folder))
      ? readdirSync(join(root, folder))
          .filter((name) => OURS.test(name))
          .map((name) => `/${folder}/${name}`)
      : [],
  )
  const runs = (existsSync(jobs) ? readdirSync(jobs) : []).flatMap(
    (id) => OURS.exec(textOf(join(jobs, id, 'job.json')))?.[0] ?? [],
  )
  const processes = readdirSync('/proc').filter(
    (name) => /^\d+$/.test(name) && runs.some((run) => textOf(`/proc/${name}/environ`).includes(run)),
  )
  return [...folders, ...processes]
}

/** '' of what is gone, and of what is not this machine's to see. */
const textOf = (path: string): string => {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return ''
    throw error
  }
}
