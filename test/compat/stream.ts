import { type EventStream, openStream } from '../api/event-stream.ts'
import { compared } from './both.ts'
import { type Difference, differenceOf } from './compare.ts'
import type { Known } from './differences.ts'
import { normalise } from './normalise.ts'
import { type Step, step, type Who } from './request.ts'
import { exchange, filled, type Side } from './side.ts'
import type { World } from './world.ts'

/**
 * Lines as everywhere, and those of streams: `NAME listens as WHO to TOPICS`, where TOPICS is a JSON list. Whatever
 * a name has heard at the end must be the same on both sides.
 */
export type Scenario = { title: string; lines: (string | Step)[]; differs?: Known }

const LISTEN = /^(\w+) listens as (\w+) to (.*)$/s
/** A thing that everybody hears of, so that silence is a finding and not a matter of patience. */
const MARK = 'mark00000000001'

/** What differs between the two, and nothing where nothing does. */
export async function heardAlike(world: World, { lines }: Scenario): Promise<Difference[]> {
  const sides = [world.ours, world.theirs]
  const streams = new Map(sides.map((side) => [side, new Map<string, EventStream>()]))
  const found: Difference[] = []
  try {
    for (const line of lines) {
      const [, name, as, topics] = (typeof line === 'string' && LISTEN.exec(line)) || []
      if (!name) {
        const difference = await compared(world, step(line))
        if (difference) found.push(difference)
        continue
      }
      const answers = await Promise.all(
        sides.map((side) =>
          listen(side, streams.get(side) as Map<string, EventStream>, name, as as Who, topics as string),
        ),
      )
      const difference = differenceOf(line as string, ...(answers as [unknown, unknown]))
      if (difference) found.push(difference)
    }
    for (let round = 1; round <= 2; round++)
      await Promise.all(sides.map((side) => settled(side, [...(streams.get(side)?.values() ?? [])], round)))
    for (const name of streams.get(world.ours)?.keys() ?? []) {
      const [ours, theirs] = sides.map((side) =>
        heard(world, side, streams.get(side)?.get(name) as EventStream),
      )
      const difference = differenceOf(`${name} heard`, ours, theirs)
      if (difference) found.push(difference)
    }
  } finally {
    for (const named of streams.values()) for (const stream of named.values()) stream.close()
  }
  return found
}

async function listen(side: Side, named: Map<string, EventStream>, name: string, as: Who, topics: string) {
  const stream =
    named.get(name) ??
    (await openStream({
      url: side.url,
      call: async () => ({ status: 0, body: {} as never, headers: new Headers() }),
    }))
  named.set(name, stream)
  const subscriptions = [...(JSON.parse(filled(side, topics)) as string[]), `things/${MARK}`]
  const body = JSON.stringify({ clientId: stream.clientId, subscriptions })
  const answer = await exchange(side, { as, method: 'POST', path: '/api/realtime', body })
  return [answer.status, answer.body]
}

/** Everything written so far has been heard. */
async function settled(side: Side, all: EventStream[], round: number): Promise<void> {
  const note = `round ${round} ${Date.now()}`
  const path = `/api/collections/things/records/${MARK}`
  await exchange(side, { as: 'root', method: 'PATCH', path, body: JSON.stringify({ note }) })
  await Promise.all(
    all.map((stream) =>
      stream.next(({ json }) => (json as { record?: { note?: string } }).record?.note === note),
    ),
  )
}

/** In an order of their own: the two promise none between topics. */
function heard({ known }: World, side: Side, stream: EventStream): unknown[] {
  const events = stream.changes().filter(({ topic }) => topic !== `things/${MARK}`)
  const { body } = normalise(
    { status: 200, headers: {}, body: events.filter(({ record }) => record.id !== MARK) },
    side,
    known,
  )
  const sorted = (body as Record<string, unknown>[]).map(
    (event) => [JSON.stringify(ordered(event)), event] as const,
  )
  return sorted.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, event]) => event)
}

const ordered = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(ordered)
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, ordered(inner)]),
  )
}
