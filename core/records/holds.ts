import type { SQL } from 'drizzle-orm'
import type { App } from '../app.ts'
import type { Collection, StoredRecord } from '../collection.ts'
import { compile, type Executor } from '../db/database.ts'
import { quote, sqlType, statement } from '../db/statement.ts'
import { type FilterContext, type Guard, type Predicate, type Resolved, toSql } from '../filter/index.ts'

export type Condition = {
  resolved: Resolved
  /** Absent where the condition reads other rows. */
  predicate?: Predicate
  /** What must hold too, lest a client's condition tell of records he may not see. */
  discreet?: readonly Guard[]
}

export function conditionSql({ resolved, discreet }: Condition, context: FilterContext, alias: string): SQL {
  return toSql(resolved, context, { alias, guards: discreet })
}

/**
 * Does the condition hold for this image of a record, stored or not? Decided in memory, or, where it reads
 * other rows, by the database with the image in the place of the row.
 */
export async function holds(
  app: App,
  collection: Collection,
  record: StoredRecord,
  condition: Condition,
  context: FilterContext,
  database: Executor = app.database,
): Promise<boolean> {
  if (condition.predicate) return condition.predicate(record, context)
  const { text, parameters: conditionParameters } = compile(conditionSql(condition, context, collection.name))
  const { parameters, bind } = statement()
  parameters.push(...conditionParameters)
  const columns = [...collection.fields].map(
    ([name, field]) => `${bind(record[name], sqlType(field.kind))} as ${quote(name)}`,
  )
  const image = `(select ${columns.join(', ')}) as ${quote(collection.name)}`
  return (await database.run(`select 1 from ${image} where ${text}`, parameters)).length === 1
}
