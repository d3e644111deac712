import { BadRequest, Forbidden } from '../errors.ts'
import type { Caller } from '../records/actor.ts'

export type SubscribeCall = {
  clientId: string
  topics: readonly string[]
  /** `<client>:<position>` of the last event that a client has seen which comes back. */
  lastEventId?: string
}

const TOPICS_MAX = 1000
const TOPIC_LENGTH_MAX = 2500
/** Of all topics together. PocketBase has no such limit; here a filter is kept ready, at many times its length. */
const LENGTH_MAX = 250_000

/** A stream may go from guest to a record once; afterwards it stays with it. */
export function refuseOtherIdentity(before: Caller, now: Caller): void {
  const was = before.actor
  const is = now.actor
  if (was.kind !== 'record') return
  if (is.kind === 'record' && is.record.id === was.record.id && is.collection === was.collection) return
  throw new Forbidden("The current and the previous request authorization don't match.")
}

export function checkSubscribe({ clientId, topics }: SubscribeCall): void {
  if (clientId === '')
    throw new BadRequest(undefined, {
      clientId: { code: 'validation_required', message: 'Cannot be blank.' },
    })
  const tooLong = (max: number) => ({
    code: 'validation_length_too_long',
    message: `The length must be no more than ${max}.`,
    params: { min: 0, max },
  })
  if (clientId.length > 255)
    throw new BadRequest(undefined, {
      clientId: {
        code: 'validation_length_out_of_range',
        message: 'The length must be between 1 and 255.',
        params: { min: 1, max: 255 },
      },
    })
  if (topics.length > TOPICS_MAX) throw new BadRequest(undefined, { subscriptions: tooLong(TOPICS_MAX) })
  const long = topics.findIndex((topic) => topic.length > TOPIC_LENGTH_MAX)
  if (long >= 0) throw new BadRequest(undefined, { subscriptions: { [long]: tooLong(TOPIC_LENGTH_MAX) } })
  const length = topics.reduce((sum, topic) => sum + topic.length, 0)
  if (length > LENGTH_MAX)
    throw new BadRequest(undefined, {
      subscriptions: {
        code: 'validation_length_too_long',
        message: `The topics together have ${length} characters; at most ${LENGTH_MAX} are accepted.`,
      },
    })
}
