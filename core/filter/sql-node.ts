import { type SQL, sql } from 'drizzle-orm'
import { all, any, FALSE } from './sql-logic.ts'
import { type QueryScope, type Row, some, someOne } from './sql-rows.ts'

/** A filter on its way to SQL: what is left to do is to choose the rows. */
export type Node = { kind: 'and' | 'or'; terms: Node[] } | Leaf

export type Leaf = {
  kind: 'leaf'
  /** The rows it speaks of; they are chosen before `toSql` is called. */
  rows: readonly Row[]
  /** What is known of it where the row of that key is missing: TRUE, FALSE or OPEN. */
  without(key: string): SQL
  toSql(scope: QueryScope): SQL
}

/** A condition that speaks of no row, or chooses its rows by itself. */
export const closed = (toSql: (scope: QueryScope) => SQL): Leaf => ({
  kind: 'leaf',
  rows: [],
  without: () => OPEN,
  toSql,
})

/** What is known neither to hold nor not to. */
export const OPEN = sql`null`

export function condition(node: Node, scope: QueryScope): SQL {
  if (node.kind === 'leaf') {
    const rows = rowsIn(node, scope)
    const body = (inner: QueryScope) => node.toSql(inner)
    const [only] = rows
    if (only && rows.length === 1 && canHoldWithout(node, only.key)) return someOne(only, scope, body)
    return some(rows, scope, body, (key) => canHoldWithout(node, key))
  }
  // That some row satisfies one of them is that one of them is satisfied by some row.
  if (node.kind === 'or') return any(node.terms.map((term) => condition(term, scope)))
  return all(groups(node.terms, scope).map((group) => together(group, scope)))
}

type Group = { terms: readonly Node[]; rows: ReadonlyMap<string, Row>; shared: ReadonlyMap<string, Row> }

/** Terms of an AND that speak of the same rows must be asked of one choice; the others each choose for themselves. */
function groups(terms: readonly Node[], scope: QueryScope): Group[] {
  let found: Group[] = []
  for (const term of terms) {
    const rows = new Map(rowsIn(term, scope).map((row) => [row.key, row]))
    const touching = found.filter((group) => [...rows.keys()].some((key) => group.rows.has(key)))
    const before = touching.flatMap((group) => [...group.rows])
    const group = {
      terms: [...touching.flatMap((group) => group.terms), term],
      rows: new Map([...before, ...rows]),
      shared: new Map([
        ...touching.flatMap((group) => [...group.shared]),
        ...before.filter(([key]) => rows.has(key)),
      ]),
    }
    found = [...found.filter((group) => !touching.includes(group)), group]
  }
  return found
}

function together({ terms, shared }: Group, scope: QueryScope): SQL {
  const [only] = terms
  if (only && terms.length === 1) return condition(only, scope)
  const rows = inOrder(shared.values())
  const holdsWithout = (key: string) => terms.every((term) => canHoldWithout(term, key))
  return some(rows, scope, (inner) => condition({ kind: 'and', terms: [...terms] }, inner), holdsWithout)
}

/** The rows of a node that are still to be chosen, each after those it depends on. */
function rowsIn(node: Node, scope: QueryScope): Row[] {
  const rows = new Map<string, Row>()
  const collect = (each: Node): void => {
    if (each.kind !== 'leaf') for (const term of each.terms) collect(term)
    else for (const row of each.rows) if (!scope.chosen.has(row.key)) rows.set(row.key, row)
  }
  collect(node)
  return inOrder(rows.values())
}

const inOrder = (rows: Iterable<Row>): Row[] => [...rows].sort((a, b) => a.hops.length - b.hops.length)

function canHoldWithout(node: Node, key: string): boolean {
  if (node.kind === 'leaf') return !node.rows.some((row) => row.key === key) || node.without(key) !== FALSE
  return node.kind === 'and'
    ? node.terms.every((term) => canHoldWithout(term, key))
    : node.terms.some((term) => canHoldWithout(term, key))
}
