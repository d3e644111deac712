import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import type { Executor } from '../db/database.ts'
import { AppError } from '../errors.ts'
import type { Caller } from './actor.ts'
import { type Budget, createBudget } from './budget.ts'
import { loadByIds, loadReferring } from './expand-load.ts'
import { parseExpand, type Step } from './expand-path.ts'
import { present, type VisibleRecord } from './present.ts'

/** A record of the answer, and how often it is in there. */
type Placed = { record: VisibleRecord; times: number }
type Expansion = { app: App; database: Executor; caller: Caller; budget: Budget }

export type ExpandOptions = {
  /** What happens to an `expand` that asks too much or takes too long: the records come without it, or BadRequest. */
  whenTooMuch?: 'leave out' | 'refuse'
  /** Shared by what makes one answer together. */
  budget?: Budget
}

/**
 * Records as this caller may see them, with the relations that `expand` names. One statement for each relation
 * and level, never one for each record; the target's view rule is part of it.
 */
export async function presentAll(
  app: App,
  database: Executor,
  collection: Collection,
  records: readonly StoredRecord[],
  expand: string | undefined,
  caller: Caller,
  { whenTooMuch = 'leave out', budget = createBudget() }: ExpandOptions = {},
): Promise<VisibleRecord[]> {
  const plain = () => records.map((record) => present(collection, record, caller))
  if (!expand || records.length === 0) return plain()
  const visible = plain()
  try {
    const steps = parseExpand(app, collection, expand, caller)
    const placed = visible.map((record) => ({ record, times: 1 }))
    await follow({ app, database, caller, budget }, placed, steps)
    return visible
  } catch (error) {
    if (whenTooMuch === 'refuse' || !(error instanceof AppError)) throw error
    app.log.warn({ err: error, collection: collection.name }, 'An expand was left out.')
    return plain()
  }
}

async function follow(expansion: Expansion, from: readonly Placed[], steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    const found = step.direction === 'forth' ? forth(expansion, from, step) : back(expansion, from, step)
    const records = await found
    if (records.length > 0) await follow(expansion, records, step.next)
  }
}

async function forth(expansion: Expansion, from: readonly Placed[], step: Step): Promise<Placed[]> {
  const idOf = ({ record }: Placed) => String(record[step.field])
  const ids = new Set(from.map(idOf).filter((id) => id !== ''))
  const rows = ids.size > 0 ? await loadByIds(expansion, step.target, [...ids]) : []
  const byId = new Map<string, Placing>()
  for (const row of rows) byId.set(row.id, placing(expansion, step.target, row))
  for (const parent of from) {
    const child = byId.get(idOf(parent))
    const expand = expandOf(parent)
    if (child) expand[step.key] = child.place(parent.times)
  }
  return [...byId.values()]
}

async function back(expansion: Expansion, from: readonly Placed[], step: Step): Promise<Placed[]> {
  const ids = [...new Set(from.map(({ record }) => record.id))]
  // One more than may be shown, which `spend` then refuses.
  const rows = await loadReferring(expansion, step.target, step.field, ids, expansion.budget.left() + 1)
  const byParent = new Map<string, Placing[]>()
  const all: Placing[] = []
  for (const row of rows) {
    const child = placing(expansion, step.target, row)
    const id = String(row[step.field])
    const siblings = byParent.get(id)
    if (siblings) siblings.push(child)
    else byParent.set(id, [child])
    all.push(child)
  }
  for (const parent of from) {
    const expand = expandOf(parent)
    const children = byParent.get(parent.record.id)?.map((child) => child.place(parent.times))
    if (children) expand[step.key] = step.single ? children[0] : children
  }
  return all
}

type Placing = Placed & { place(times: number): VisibleRecord }

function placing({ caller, budget }: Expansion, collection: Collection, row: StoredRecord): Placing {
  const record = present(collection, row, caller)
  const bytes = JSON.stringify(record).length
  return {
    record,
    times: 0,
    place(times) {
      budget.spend(times, bytes)
      this.times += times
      return record
    },
  }
}

/** There as soon as a right path was asked for, whether or not there is anything to show. */
function expandOf({ record }: Placed): Record<string, unknown> {
  record.expand ??= {}
  return record.expand as Record<string, unknown>
}
