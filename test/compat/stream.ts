import { setTimeout as wait } from 'node:timers/promises'
import { type EventStream, openStream } from '../api/event-stream.ts'
import { compared } from './both.ts'
import { type Difference, differenceOf } from './compare.ts'
import type { Known } from './differences.ts'
import { normalise } from './normalise.ts'
import { type Step, step, type Who } from './request.ts'
import { exchange, filled, type Side } from './side.ts'
import type { World } from './world.ts'

/**
 * Lines as everywhere, and those of streams: `NAME listens as WHO to TOPICS`, where TOPICS is a JSON list, and `quiet`,
 * which waits until all that was written is heard. What a name has heard at the end must be the same on both sides.
 */
export type Scenario = { title: string; lines: (string | Step)[]; differs?: Known }

const LISTEN = /^(\w+) listens as (\w+) to (.*)$/s
/** A thing that everybody hears of, so that silence is a finding and not a matter of patience. */
const MARK = 'mark00000000001'

const LATE_MS = 10_000

/** One side with the streams that are open there. */
type Ear = { side: Side; named: Map<string, EventStream> }

/** What differs between the two, and nothing where nothing does. */
export async function heardAlike(world: World, { lines, differs }: Scenario): Promise<Difference[]> {
  const ears: Ear[] = [world.ours, world.theirs].map((side) => ({ side, named: new Map() }))
  const found: Difference[] = []
  try {
    for (const line of lines) {
      if (line === 'quiet') await quiet(ears)
      else {
        const difference = await take(world, ears, line)
        if (difference) found.push(difference)
      }
    }
    await quiet(ears)
    await evened(ears, differs !== undefined)
    for (const name of ears[0]?.named.keys() ?? []) {
      const [ours, theirs] = ears.map(({ side, named }) => heard(world, side, named.get(name)))
      const difference = differenceOf(`${name} heard`, ours, theirs)
      if (difference) found.push(difference)
    }
  } finally {
    for (const { named } of ears) for (const stream of named.values()) stream.close()
  }
  return found
}

async function take(world: World, ears: readonly Ear[], line: string | Step) {
  const [, name, as, topics] = (typeof line === 'string' && LISTEN.exec(line)) || []
  if (!name || !topics) return compared(world, step(line))
  const [ours, theirs] = await Promise.all(ears.map((ear) => listen(ear, name, as as Who, topics)))
  return differenceOf(`${name} listens as ${as} to ${topics}`, ours, theirs)
}

async function listen({ side, named }: Ear, name: string, as: Who, topics: string) {
  const stream = named.get(name) ?? (await openStream({ url: side.url, call: unused }))
  named.set(name, stream)
  const subscriptions = [...(JSON.parse(filled(side, topics)) as string[]), `things/${MARK}`]
  const body = JSON.stringify({ clientId: stream.clientId, subscriptions })
  const { status, body: answer } = await exchange(side, { as, method: 'POST', path: '/api/realtime', body })
  return { status, body: answer }
}

/** Topics are sent as any other request here. */
const unused = () => Promise.reject(new Error('Streams of this suite make no requests of their own.'))

/** Twice, as there one event may overtake another. */
async function quiet(ears: readonly Ear[]): Promise<void> {
  for (let round = 1; round <= 2; round++)
    await Promise.all(ears.map(({ side, named }) => settled(side, [...named.values()], round)))
}

/**
 * Here, streams whose condition is asked of the database may come after others, so the mark does not tell of them:
 * until both sides have heard as much, or, where they are to differ, not as much.
 */
async function evened([ours, theirs]: readonly Ear[], differs: boolean): Promise<void> {
  const counts = (ear?: Ear) => [...(ear?.named.values() ?? [])].map(({ events }) => events.length).join()
  const end = Date.now() + LATE_MS
  while ((counts(ours) === counts(theirs)) === differs && Date.now() < end) await wait(20)
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
function heard({ known }: World, side: Side, stream: EventStream | undefined): unknown[] {
  const events = (stream?.changes() ?? []).filter(({ topic }) => topic !== `things/${MARK}`)
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
