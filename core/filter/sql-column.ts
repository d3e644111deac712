import { type SQL, sql } from 'drizzle-orm'
import { columnType, type FieldPath } from './resolved.ts'
import { timeText } from './sql-time.ts'

/**
 * A field in SQL, taken apart by what it can hold: a number column has only a `number`, a text column only a `text`,
 * and a json column both, of which one is null, or both for JSON's null and for a key that is not there. The rest
 * is never null, unless it says so.
 */
export type Column = {
  number?: SQL
  text?: SQL
  /** A bool column as it stands, so that an index on it can serve. */
  flag?: SQL
  /** The value's text, for `~`. */
  shown: SQL
  json: boolean
  /** The `text` may be null, which is the same as "". */
  nullable?: true
  /** The `text` is never empty: an id. */
  filled?: boolean
}

/** `alias` names the row that has the field; the path's hops are already behind us. */
export function columnOf(path: FieldPath, alias: string): Column {
  const column = sql`${sql.identifier(alias)}.${sql.identifier(path.field.name)}`
  if (path.modifier === 'length') {
    const length = sql`(${column} <> '')::int`
    return { number: length, shown: sql`${length}::text`, json: false }
  }
  if (typeof path.modifier === 'object') {
    const text = timeText(column, path.modifier)
    return { text, shown: text, json: false, nullable: true }
  }
  const whole = wholeColumn(column, path)
  if (path.modifier !== 'lower') return whole
  const lowered = lower(whole.shown)
  return { text: lowered, shown: lowered, json: whole.json }
}

function wholeColumn(column: SQL, path: FieldPath): Column {
  switch (columnType(path)) {
    case 'number':
      return { number: column, shown: numberText(column), json: false }
    case 'bool':
      return { number: sql`${column}::int`, flag: column, shown: sql`${column}::int::text`, json: false }
    case 'json':
      return jsonColumn(
        path.keys.length === 0 ? column : sql`(${column} #> ${arrayLiteral(path.keys)}::text[])`,
      )
    case 'text':
      return { text: column, shown: column, json: false, filled: path.field.name === 'id' }
  }
}

/** Keys are words of the filter language: letters, digits and `_`. The quotes keep `null` a key. */
const arrayLiteral = (keys: readonly string[]): string => `{${keys.map((key) => `"${key}"`).join(',')}}`

/** `#>> '{}'` gives a JSON string without its quotes, null for null, and anything else as it was written. */
function jsonColumn(json: SQL): Column {
  const type = sql`json_typeof(${json})`
  const written = sql`(${json} #>> '{}') collate "C"`
  const bool = sql`case ${json} #>> '{}' when 'true' then 1 else 0 end`
  return {
    number: sql`(case ${type} when 'number' then (${json} #>> '{}')::float8 when 'boolean' then ${bool} end)`,
    text: sql`(case when ${type} in ('string', 'array', 'object') then ${written} end)`,
    shown: sql`(case ${type} when 'boolean' then (${bool})::text else ${written} end)`,
    json: true,
  }
}

/**
 * A number's text as JSON shows it. PostgreSQL turns to exponents from 1e15 and 1e-5 on and writes `1e-07`; JSON
 * does so from 1e21 and 1e-7 on and writes `1e-7`.
 */
const numberText = (number: SQL): SQL =>
  sql`(case when abs(${number}) >= 1e21 or (${number} <> 0 and abs(${number}) < 1e-6)
    then replace(${number}::text, 'e-0', 'e-') else ${number}::text::numeric::text end)`

/** Under the C collation lower() folds A-Z and nothing else. */
export const lower = (text: SQL): SQL => sql`lower(${text} collate "C")`
