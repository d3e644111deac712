import { randomUUID } from 'node:crypto'

type Body = Record<string, unknown>
export type RebootRow = Body & { id: string; status: string; error_message: string }
type Reply = { status: number; body?: unknown }

const OVER = ['completed', 'failed', 'timeout']

/** The stand-in server's reboots: as much of them as an agent sees. */
export class StandInReboots {
  readonly rows = new Map<string, RebootRow>()
  /** Containers as they were reported. */
  readonly guests: Body[] = []
  /** False: a server that has never heard of reboots. */
  known = true
  #ring: (row: RebootRow) => void

  constructor(ring: (row: RebootRow) => void) {
    this.#ring = ring
  }

  /** With `wait_ms`, acknowledgements are refused for that long from the first on. */
  order(fields: Body = {}): RebootRow {
    const row = {
      ...{ id: randomUUID().replaceAll('-', '').slice(0, 15), status: 'sent', error_message: '' },
      ...{ lxc_id: '', vmid: 0, timeout_seconds: 60, boot_id_before: '', created: new Date().toISOString() },
      ...fields,
    }
    this.rows.set(row.id, row)
    this.#ring(row)
    return row
  }

  isOver = ({ id }: { id: string }) => OVER.includes(this.rows.get(id)?.status ?? '')

  /** Undefined where the request is about something else. */
  handle(method: string, path: string, body: Body): Reply | undefined {
    if (!this.known) return undefined
    if (path === '/api/agent') this.#beat(body)
    if (path === '/api/collections/reboot_operations/records') {
      const items = [...this.rows.values()].filter(({ status }) => !OVER.includes(status))
      return { status: 200, body: { page: 1, perPage: 200, items } }
    }
    if (method === 'POST' && path === '/api/proxmox/lxc') return this.#guest(body)
    const [, id = '', what] = /^\/api\/reboot\/(\w+)\/(acknowledge|fail)$/.exec(path) ?? []
    if (!what) return undefined
    const row = this.rows.get(id)
    if (!row) return refusal(404, 'The requested resource was not found.')
    return what === 'fail' ? this.#fail(row, body) : this.#acknowledge(row, body)
  }

  #acknowledge(row: RebootRow, { boot_id }: Body): Reply {
    const again = row.status === 'rebooting' && row.boot_id_before === boot_id
    if (row.status !== 'sent' && !again) return refusal(409, `The reboot is already ${row.status}.`)
    row.first_asked_at ??= Date.now()
    const wait = Number(row.first_asked_at) + Number(row.wait_ms ?? 0) - Date.now()
    if (wait > 0) return { status: 409, body: { status: 409, message: 'Wait.', retry_after_ms: wait } }
    row.acknowledged_at ??= Date.now()
    return this.#turned(row, { status: 'rebooting', boot_id_before: boot_id })
  }

  #fail(row: RebootRow, { error_message }: Body): Reply {
    if (OVER.includes(row.status)) return refusal(409, `The reboot is already ${row.status}.`)
    return this.#turned(row, { status: 'failed', error_message })
  }

  #beat({ boot_id }: Body) {
    for (const row of this.rows.values())
      if (row.status === 'rebooting' && row.lxc_id === '' && row.boot_id_before !== boot_id)
        this.#turned(row, { status: 'completed' })
  }

  #guest(guest: Body): Reply {
    this.guests.push(guest)
    for (const row of this.rows.values()) {
      const seconds = (Date.now() - Number(row.acknowledged_at)) / 1000
      const isBack = guest.status === 'running' && Number(guest.uptime) < seconds
      if (row.status === 'rebooting' && row.vmid === guest.vmid && isBack)
        this.#turned(row, { status: 'completed' })
    }
    return { status: 200, body: { message: 'recorded', id: 'c' } }
  }

  #turned(row: RebootRow, changes: Body): Reply {
    Object.assign(row, changes)
    this.#ring(row)
    return { status: 200, body: { success: true, message: 'recorded' } }
  }
}

const refusal = (status: number, message: string): Reply => ({
  status,
  body: { status, message, data: {}, error: message },
})
