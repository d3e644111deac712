import { eventReader } from './event-stream.ts'
import { openHttpClient } from './http-client.ts'
import { Measures } from './measures.ts'

const TOPICS = ['patch_operations/*', 'agents/*']
const TIMEOUT_MS = 30_000

/**
 * Readers to whom every change of the owner's is sent and who never take any of it, as a dashboard in a suspended
 * machine. The server has to let go of them, and nobody else may notice.
 */
export async function openStalledReaders(origin: string, token: string, count: number): Promise<Disposable> {
  const opened = new DisposableStack()
  // Their troubles are not the agents'.
  const client = openHttpClient(origin, TIMEOUT_MS, new Measures())
  opened.defer(client.close)
  for (let at = 0; at < count; at++) {
    const response = await client.open('/api/realtime')
    opened.defer(() => response.destroy())
    response.on('error', () => response.destroy())
    const clientId = await new Promise<string>((resolve, reject) => {
      const read = eventReader(({ id }) => resolve(id))
      response.setEncoding('utf8').on('data', read)
      response.once('close', () => reject(new Error('The stream ended before it began.')))
    })
    response.pause()
    const body = { clientId, subscriptions: TOPICS }
    const headers = { Authorization: token }
    await client.json({ call: 'subscribe', method: 'POST', path: '/api/realtime', headers, body })
  }
  return opened
}
