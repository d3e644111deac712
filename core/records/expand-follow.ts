import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import type { Executor } from '../db/database.ts'
import type { Caller } from './actor.ts'
import type { Budget } from './budget.ts'
import { loadByIds, loadReferring } from './expand-load.ts'
import type { Step } from './expand-path.ts'
import { present, type VisibleRecord } from './present.ts'

/** A record of the answer, and how often it is in there. */
type Placed = { record: VisibleRecord; times: number }
type Expansion = {
  app: App
  database: Executor
  /** For what a client can make long: outside of a transaction, statements under a time limit. */
  guarded: Executor
  caller: Caller
  budget: Budget
}

/** Puts under each record what the steps lead to. Throws BadRequest when the budget is used up. */
export async function follow(
  expansion: Expansion,
  from: readonly Placed[],
  steps: readonly Step[],
): Promise<void> {
  for (const step of steps) {
    const left = expansion.budget.left()
    const found =
      step.direction === 'forth' ? forth(expansion, from, step) : back(expansion, from, step, left)
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

async function back(
  expansion: Expansion,
  from: readonly Placed[],
  step: Step,
  left: number,
): Promise<Placed[]> {
  const ids = [...new Set(from.map(({ record }) => record.id))]
  // One more than may be shown, which `spend` then refuses.
  const reading = { ...expansion, database: expansion.guarded }
  const rows = await loadReferring(reading, step.target, step.field, ids, left + 1)
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
