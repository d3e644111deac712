import { type SQL, sql } from 'drizzle-orm'
import { holds, patternFrom, read, type Side } from './compare.ts'
import { endsInEscape, searchedMax, WORK_MAX } from './like.ts'
import { type Column, lower } from './sql-column.ts'
import { FALSE, not, TRUE } from './sql-logic.ts'
import type { Operator } from './syntax.ts'
import { lowerAscii, type Value } from './value.ts'

/** One side of a comparison in SQL: a column, or a value that needs no row. */
export type Term = Column | Side

const isColumn = (term: Term): term is Column => 'shown' in term

/**
 * `holds` in SQL. Where the answer does not depend on the row it is TRUE or FALSE itself, so that callers can leave
 * it out. A comparison with json may give null; there is no NOT around it, so that null counts as false.
 */
export function compareInSql(op: Operator, left: Term, right: Term): SQL {
  if (!isColumn(left) && !isColumn(right)) return holds(op, left, right) ? TRUE : FALSE
  if (op === '!=') return not(compareInSql('=', left, right))
  if (op === '=') {
    if (!isColumn(left)) return equalsValue(right as Column, left)
    return isColumn(right) ? equalsColumn(left, right) : equalsValue(left, right)
  }
  if (op === '~' || op === '!~') return like(op, left, right)
  if (!isColumn(left)) return inOrder(MIRRORED[op], right as Column, left)
  return inOrder(op, left, right)
}

function equalsValue(column: Column, side: Side): SQL {
  const value = readFor(column, side)
  if (column.json || side.source === 'json') {
    if (value === null) return column.json || column.nullable ? sql`${column.shown} is null` : FALSE
  } else if (value === null || value === '')
    return column.text && !column.filled ? sql`${filledIn(column)} = ''` : FALSE

  if (column.flag) return value === 0 || value === 1 ? sql`${column.flag} = ${value === 1}` : FALSE
  const part = partFor(column, value)
  return part ? sql`${part} = ${bound(value)}` : FALSE
}

function equalsColumn(a: Column, b: Column): SQL {
  if (a.json || b.json) return sql`(${same(a.number, b.number)} and ${same(a.text, b.text)})`
  if (a.text && b.text) return sql`${filledIn(a)} = ${filledIn(b)}`
  return a.number && b.number ? sql`${a.number} = ${b.number}` : FALSE
}

const filledIn = ({ text, nullable }: Column): SQL => (nullable ? sql`coalesce(${text}, '')` : sql`${text}`)

/** Is there a value at all? Where there is none, no order and no pattern holds, and none is broken. */
export function present(term: Term): SQL {
  if (!isColumn(term)) return term.value === null ? FALSE : TRUE
  return term.json || term.nullable ? sql`${term.shown} is not null` : TRUE
}

/** Is there a value that says something? Of the caller, what is empty equals nothing. */
export function filled(term: Term): SQL {
  if (!isColumn(term)) return term.value === null || term.value === '' ? FALSE : TRUE
  return term.text ? sql`(${term.shown} <> '') is true` : TRUE
}

/** Null-safe, since one part of a json column always is null. */
function same(a: SQL | undefined, b: SQL | undefined): SQL {
  if (a && b) return sql`${a} is not distinct from ${b}`
  const only = a ?? b
  return only ? sql`${only} is null` : TRUE
}

type Order = '<' | '<=' | '>' | '>='
const MIRRORED: Record<Order, Order> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' }

function inOrder(op: Order, column: Column, other: Term): SQL {
  const operator = sql.raw(op)
  if (isColumn(other)) {
    const parts = (['number', 'text'] as const).flatMap((part) => {
      const [a, b] = [column[part], other[part]]
      return a && b ? [sql`${a} ${operator} ${part === 'text' ? byBytes(b) : b}`] : []
    })
    return parts.length === 0 ? FALSE : sql`(${sql.join(parts, sql` or `)})`
  }
  const value = readFor(column, other)
  const part = partFor(column, value)
  return part ? sql`${part} ${operator} ${bound(value)}` : FALSE
}

function like(op: '~' | '!~', left: Term, right: Term): SQL {
  if ([left, right].some((term) => !isColumn(term) && term.value === null)) return FALSE
  const subject = isColumn(left) ? lower(left.shown) : lowered(String(left.value))
  const operator = sql.raw(op === '~' ? 'like' : 'not like')
  if (isColumn(right)) {
    const pattern = sql`'%' || ${lower(right.shown)} || '%'`
    const work = sql`octet_length(${subject})::float8 * octet_length(${pattern})`
    return sql`case when ${work} <= ${sql.raw(String(WORK_MAX))} then ${subject} ${operator} ${pattern} escape '\\' end`
  }
  const pattern = patternFrom(right)
  if (endsInEscape(pattern)) return op === '~' ? FALSE : sql`${subject} is not null`
  const matches = (text: SQL) => sql`${text} ${operator} ${lowerAscii(pattern)}::text escape '\\'`
  const max = searchedMax(pattern)
  // CASE, since nothing else keeps PostgreSQL from searching first.
  if (max !== Number.POSITIVE_INFINITY)
    return sql`case when octet_length(${subject}) <= ${sql.raw(String(max))} then ${matches(subject)} end`
  if (op === '!~' || !isColumn(left) || !left.text || left.json) return matches(subject)
  // The text as it is adds nothing, but of it the planner knows how many match, and most need no lowering then.
  return sql`(${matches(left.text)} or ${matches(subject)})`
}

const byBytes = (text: SQL): SQL => sql`${text} collate "C"`

const lowered = (text: string): SQL => sql`${lowerAscii(text)}::text collate "C"`

const readFor = (column: Column, side: Side): Value => read(side, column.text ? 'text' : 'number')

function partFor(column: Column, value: Value): SQL | undefined {
  if (value === null) return undefined
  return typeof value === 'number' ? column.number : column.text
}

const bound = (value: Value): SQL =>
  typeof value === 'number' ? sql`${value}::float8` : sql`${value}::text collate "C"`
