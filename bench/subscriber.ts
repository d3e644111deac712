import { get, type IncomingMessage } from 'node:http'
import { type Contestant, call, HOST } from './contestant.ts'

export type Subscriber = { close(): void }

/** Opens a stream, subscribes it to one topic as the contestant's user, and calls `heard` at every event of it. */
export async function subscribe(
  { port, token }: Contestant,
  topic: string,
  heard: () => void,
): Promise<Subscriber> {
  const stream = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ host: HOST, port, path: '/api/realtime', agent: false }, resolve).once('error', reject)
  })
  let text = ''
  const clientId = new Promise<string>((resolve, reject) => {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      const events = text.split('\n\n')
      text = events.pop() ?? ''
      for (const event of events) {
        const id = /"clientId":"([^"]+)"/.exec(event)?.[1]
        if (id) resolve(id)
        else if (event.includes(`event:${topic}`)) heard()
      }
    })
    stream.once('error', reject)
    stream.once('close', () => reject(new Error('The stream ended before it had an id.')))
  })
  const body = { clientId: await clientId, subscriptions: [topic] }
  await call(port, 'POST', '/api/realtime', { token, body })
  return { close: () => stream.destroy() }
}
