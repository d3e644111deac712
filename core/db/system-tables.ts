import { sql } from 'drizzle-orm'
import { bigint, customType, index, json, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

const xid8 = customType<{ data: string }>({ dataType: () => 'xid8' })

/** Every change, with the record before and after it; what realtime reads. Kept for minutes. */
const changes = pgTable(
  '_changes',
  {
    seq: bigint({ mode: 'bigint' }).primaryKey().generatedAlwaysAsIdentity(),
    xid: xid8().notNull().default(sql`pg_current_xact_id()`),
    at: timestamp({ withTimezone: true }).notNull().defaultNow(),
    collection: text().notNull(),
    record: text().notNull(),
    action: text().notNull(),
    before: json(),
    after: json(),
  },
  (table) => [index('idx__changes__order').on(table.xid, table.seq), index('idx__changes__at').on(table.at)],
)

/** Keys that sign tokens, one per auth collection. */
const secrets = pgTable('_secrets', { name: text().primaryKey(), value: text().notNull() })

/** The engine's own tables, for migrations. */
export const systemTables = { changes, secrets }
