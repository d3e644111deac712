import { openConnection } from './connection.ts'
import type { Contestant } from './contestant.ts'
import { cpuOfTree } from './cpu.ts'

export const CLIENTS = 32

export type Load = {
  /** Requests per second. */
  rate: number
  /** Processor time of the server per request, ms. */
  cpu: number
}

type Limit = ({ seconds: number } | { requests: number }) & {
  /** Connections, 32 unless said otherwise, and the address of this machine they come from. */
  clients?: number
  from?: string
}

/** Sends requests from all clients at once until the limit is reached. An answer other than 200 ends it. */
export async function load(
  { port, pid }: Contestant,
  limit: Limit,
  next: () => Buffer,
  seen?: (body: string) => void,
): Promise<Load> {
  const { clients: count = CLIENTS, from } = limit
  const clients = await Promise.all(Array.from({ length: count }, () => openConnection(port, from)))
  let sent = 0
  const before = cpuOfTree(pid)
  const begin = performance.now()
  const end = 'seconds' in limit ? begin + limit.seconds * 1000 : Infinity
  const most = 'requests' in limit ? limit.requests : Infinity
  try {
    await Promise.all(
      clients.map(async (client) => {
        while (sent < most && performance.now() < end) {
          sent++
          const { status, body } = await client.send(next())
          if (status !== 200) throw new Error(`A request was answered with ${status}: ${body}`)
          seen?.(body)
        }
      }),
    )
  } finally {
    for (const client of clients) client.close()
  }
  const seconds = (performance.now() - begin) / 1000
  return { rate: sent / seconds, cpu: (cpuOfTree(pid) - before) / sent }
}
