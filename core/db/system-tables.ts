import { sql } from 'drizzle-orm'
import { bigint, customType, index, integer, json, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

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

/**
 * One-time passwords that were asked for, also by addresses of nobody (`record` is '' then): whoever tries one must not
 * learn from it whose address that was.
 */
const oneTimePasswords = pgTable(
  '_otps',
  {
    id: text().primaryKey(),
    collection: text().notNull(),
    record: text().notNull(),
    hash: text().notNull(),
    tokenKeyHash: text('token_key_hash').notNull(),
    tries: integer().notNull().default(0),
    expires: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [index('idx__otps__expires').on(table.expires)],
)

/** The engine's own tables, for migrations. */
export const systemTables = { changes, secrets, oneTimePasswords }
