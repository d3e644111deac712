import { pocketbaseTransport } from '../../../agent/pocketbase-transport.ts'
import { detectProxmox } from '../../../agent/proxmox/detect.ts'
import { openDiscover } from '../../../agent/proxmox/discover.ts'
import { guestReader } from '../../../agent/proxmox/discovery.ts'
import { Timings } from '../../../agent/timings.ts'
import type { Transport } from '../../../agent/transport.ts'
import type { Cluster } from '../../support/proxmox/cluster.ts'
import type { EnrolledAgent, TestServer } from '../../support/server.ts'

export type Body = Record<string, unknown> & { items?: Record<string, unknown>[] }
export type Told = { kind: string; body: Body }

/** Discovery of one node as its agent does it, towards this server; without one its reports are only kept. */
export function discoverer(
  cluster: Cluster,
  name: string,
  to?: { server: TestServer; agent: EnrolledAgent },
) {
  const { root } = cluster.node(name)
  const proxmox = detectProxmox(root)
  if (!proxmox) throw new Error(`The fake node ${name} was not recognised.`)
  const told: Told[] = []
  const warnings: string[] = []
  const stop = new AbortController()
  const timings = Timings.parse({})
  const session = { token: async () => to?.agent.token ?? '', renewAfterRefusal: async () => false }
  const real = pocketbaseTransport({ origin: to?.server.url ?? 'http://127.0.0.1:1', timings, session })
  const transport: Transport = {
    ...real,
    async request(method, path, body = {}) {
      const answer = to ? await real.request(method, path, body) : { data: {}, serverNow: undefined }
      const kind = path.replace('/api/proxmox/', '')
      told.push({ kind, body: JSON.parse(JSON.stringify(body)) as Body })
      it.onReport(kind)
      return answer
    },
  }
  const log = {
    info: () => undefined,
    warn: (message: string, fields = {}) => void warnings.push(`${message} ${JSON.stringify(fields)}`),
  }
  const context = { transport, timings, log, stop: stop.signal, proxmox }
  const discover = openDiscover(context, proxmox, root)
  const it = {
    context,
    /** Called after a report was taken. */
    onReport: (_kind: string): void => undefined,
    warnings,
    stop,
    readGuest: guestReader(proxmox, root),
    /** One discovery: what it told, and what went wrong. */
    async once() {
      told.length = 0
      const failed = await discover()
      const last = (kind: string) => told.findLast((one) => one.kind === kind)?.body
      return {
        told: [...told],
        failed,
        cluster: last('cluster'),
        node: last('node'),
        lxc: last('lxc'),
        qemu: last('qemu'),
      }
    },
  }
  return it
}

const line = (name: string, value: string) => `${name}="${value}"\n`

/** What a container without a box answers when it is looked into: its programs, and os-release. */
export const insides = (id: string, version: string, ...programs: string[]): string =>
  `${programs.map((name) => `${name}\n`).join('')}\n${line('ID', id)}${line('VERSION_ID', version)}`
