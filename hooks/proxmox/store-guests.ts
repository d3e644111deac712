import type { Agent } from '../../collections/agents.ts'
import type { App } from '../../core/app.ts'
import type { Executor } from '../../core/db/database.ts'
import { BadRequest, type Conflict } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { findAll } from '../../core/records/read.ts'
import { discovering } from './discovering.ts'
import { type Families, familiesOf } from './families.ts'
import type { GuestKind } from './guest-kinds.ts'
import { type Guest, type GuestPlan, planGuests } from './guest-plan.ts'
import type { FoundLxc, FoundQemu, Report } from './read.ts'
import { type Reporter, reporterOf } from './reporter.ts'
import { touchGuests, writeGuests } from './write-guests.ts'

type Facts = Record<string, unknown>

/** Written in one transaction, which others of the cluster wait for. */
const CHUNK = 50

/**
 * Stores what an agent says of guests. Where nothing has changed but the time that is one statement; what has changed
 * is judged again in the transaction that writes it. Answers the guests that it told of, as they are now.
 */
export async function storeGuests<T extends FoundLxc | FoundQemu, R>(
  event: WriteEvent<R>,
  agent: Agent,
  kind: GuestKind<T>,
  report: Report<T>,
): Promise<Guest[]> {
  const { database, now } = event
  const families = await familiesOf(
    database,
    report.items.map(({ ostype }) => ostype),
  )
  const plan = async (on: Executor, part: Report<T>, all: Report<T>): Promise<[Reporter, GuestPlan]> => {
    const reporter = await reporterOf(on, agent, report.cluster, now)
    const known = await guestsOf(on, kind, reporter, part.isComplete ? all : part)
    return [reporter, planGuests(kind, reporter, part, all, known, families, now)]
  }
  const [reporter, first] = await plan(database, report, report)
  if (report.items.length > 0 && first.placed === 0)
    throw new BadRequest('The node is not known; report it to /api/proxmox/node first.', {
      node: { code: 'validation_invalid_value', message: 'Names no node of this cluster.' },
    })
  if (first.created.length + first.changed.length + first.gone.length === 0) {
    await touchGuests(database, kind, first.touched, now)
    return first.touched.map(({ guest }) => guest)
  }
  let crowd: Conflict | undefined
  for (const part of parts(report)) {
    const refusal = await discovering(event, agent, reporter.cluster?.id ?? '', async (discovery) => {
      const [, changes] = await plan(discovery.transaction, part, report)
      return writeGuests(discovery, agent, kind, changes)
    })
    crowd ??= refusal
  }
  for (const { guest, change } of first.changed)
    warnOfMismatch(event.app, { ...guest, ...change }, change, families)
  if (crowd) throw crowd
  for (const facts of first.created) warnOfMismatch(event.app, facts, facts, families)
  return guestsOf(database, kind, reporter, { ...report, isComplete: false })
}

/** What was seen inside is believed; that the configuration says something else is for the operator to know. */
function warnOfMismatch(app: App, { vmid, name, ostype }: Facts, change: Facts, families: Families): void {
  const seen = change.platform_family
  const configured = families.get(String(ostype)) ?? 'unknown'
  if (seen === undefined || configured === 'unknown' || seen === configured) return
  app.log.warn(
    { vmid, name, ostype, seen },
    'A container is of another family inside than its configuration says; what is inside counts.',
  )
}

/** Only the last says that there is nothing else. */
function parts<T>(report: Report<T>): Report<T>[] {
  const all: Report<T>[] = []
  for (let at = 0; at === 0 || at < report.items.length; at += CHUNK) {
    const isLast = at + CHUNK >= report.items.length
    const items = report.items.slice(at, at + CHUNK)
    all.push({ ...report, items, isComplete: report.isComplete && isLast })
  }
  return all
}

/** What is known of the guests that a report names, and where it names all also of the others on that node. */
function guestsOf<T extends FoundLxc | FoundQemu>(
  database: Executor,
  { collection }: GuestKind<T>,
  { agent, cluster, nodes, own }: Reporter,
  { items, node, isComplete }: Report<T>,
): Promise<Guest[]> {
  const about = node === '' ? own : nodes.find(({ name }) => name === node)
  return findAll(
    database,
    collection,
    `"user_id" = $1 and ("vmid" = any($2::float8[]) and ("agent_id" = $3 or "cluster_id" = $4 and $4 <> '')
       or "node_id" = $5 and $5 <> '')`,
    [
      agent.user_id,
      items.map(({ vmid }) => vmid),
      agent.id,
      cluster?.id ?? '',
      (isComplete && about?.id) || '',
    ],
  ) as Promise<Guest[]>
}
