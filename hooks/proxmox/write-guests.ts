import type { Agent } from '../../collections/agents.ts'
import type { Executor } from '../../core/db/database.ts'
import { quote } from '../../core/db/statement.ts'
import type { Conflict } from '../../core/errors.ts'
import { formatTime } from '../../core/time.ts'
import type { Container } from '../ownership.ts'
import { crowdedBy } from './bounds.ts'
import { REMOVED } from './detach.ts'
import type { Discovery } from './discovering.ts'
import { follow } from './follow.ts'
import type { GuestKind } from './guest-kinds.ts'
import type { Guest, GuestPlan } from './guest-plan.ts'

type Named = Pick<GuestKind, 'collection'>

/** That guests are still there, and for how long they have run: of all of them in one statement, which nobody is told. */
export async function touchGuests(
  database: Executor,
  { collection }: Named,
  touched: GuestPlan['touched'],
  now: Date,
): Promise<void> {
  if (touched.length === 0) return
  const table = quote(collection.name)
  const rows = touched.map(({ guest: { id, agent_id }, uptime }) => ({ id, agent_id, uptime }))
  await database.run(
    // Not where it has moved away since it was read.
    `update ${table} set "uptime" = told."uptime", "recorded_at" = $2
     from jsonb_to_recordset($1::text::jsonb) as told("id" text, "agent_id" text, "uptime" float8)
     where ${table}."id" = told."id" and ${table}."agent_id" = told."agent_id"`,
    [JSON.stringify(rows), formatTime(now)],
  )
}

/** Returns the refusal of new ones, of which none is stored where they are too many. */
export async function writeGuests(
  discovery: Discovery,
  agent: Agent,
  { collection }: Named,
  plan: GuestPlan,
): Promise<Conflict | undefined> {
  const { transaction, records, caller, now } = discovery
  const { name } = collection
  const recorded_at = formatTime(now)
  await touchGuests(transaction, { collection }, plan.touched, now)
  for (const { guest, change, uptime } of plan.changed) {
    await records.update(name, guest.id, { body: { ...change, uptime, recorded_at } }, caller)
    if (isContainer(guest)) await follow(discovery, guest, change)
  }
  for (const guest of plan.gone)
    if (isContainer(guest)) await records.update(name, guest.id, { body: REMOVED }, caller)
    else await records.delete(name, guest.id, caller)
  const crowd = await crowdedBy(discovery, name, agent, plan.created.length)
  if (crowd) return crowd
  for (const facts of plan.created) await records.create(name, { body: { ...facts, recorded_at } }, caller)
  return undefined
}

const isContainer = (guest: Guest): guest is Container => 'lxc_id' in guest
