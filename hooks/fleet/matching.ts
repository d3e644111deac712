import type { Agent } from '../../collections/agents.ts'
import { users } from '../../collections/users.ts'
import type { App } from '../../core/app.ts'
import type { Executor } from '../../core/db/database.ts'
import { AppError, BadRequest } from '../../core/errors.ts'
import { FilterError } from '../../core/filter/index.ts'
import { type Caller, systemCaller } from '../../core/records/actor.ts'
import { clientFilter } from '../../core/records/client-filter.ts'
import { list } from '../../core/records/list.ts'
import { readById } from '../../core/records/read.ts'
import { failed } from '../../core/records/validate.ts'

/** In whose right a fleet schedule looks for agents: what he may not see is not there. */
export async function ownerOf(app: App, database: Executor, userId: string): Promise<Caller | undefined> {
  const record = await readById(database, users, userId)
  const collection = app.registry.need('users')
  return record && { ...systemCaller, actor: { kind: 'record', collection, record } }
}

/** Throws BadRequest on `filter`, with the reason, for one that its owner could not list agents with. */
export function refuseBadFilter(
  app: App,
  filter: string,
  owner: Caller,
  action: 'create' | 'update' = 'update',
): void {
  if (filter.trim() === '') return
  const agents = app.registry.need('agents')
  try {
    // By itself, for it must not close the bracket it is put into; and there, where it is one step deeper.
    for (const source of [filter, beyond(filter, 'a')]) clientFilter(app, agents, source, owner)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const message = error instanceof FilterError ? `${error.detail}.` : error.message
    throw new BadRequest(failed(action), { filter: { code: 'validation_invalid_filter', message } })
  }
}

/**
 * The agents that match, in the order of their ids, from behind `reached` on: at most `count`. It is a client's
 * filter, so it runs where those run, within their time limit.
 */
export async function agentsBehind(
  app: App,
  { owner, filter, reached }: { owner: Caller; filter: string; reached: string },
  count: number,
): Promise<Pick<Agent, 'id' | 'hostname' | 'status'>[]> {
  const query = { filter: beyond(filter, reached), sort: 'id', perPage: String(count), skipTotal: '1' }
  const { items } = await list(app, app.registry.need('agents'), query, owner)
  return items as unknown as Agent[]
}

/** How many there are behind `reached`. */
export async function countBehind(
  app: App,
  { owner, filter, reached }: { owner: Caller; filter: string; reached: string },
): Promise<number> {
  const query = { filter: beyond(filter, reached), perPage: '1' }
  return (await list(app, app.registry.need('agents'), query, owner)).totalItems
}

/** The line break ends a comment that the filter ends with. */
const beyond = (filter: string, reached: string): string =>
  [filter.trim() && `(${filter}\n)`, reached && `id > "${reached}"`].filter(Boolean).join(' && ')
