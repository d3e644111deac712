import { crc32 } from 'node:zlib'
import { sql } from 'drizzle-orm'
import { bigint, index, type PgColumn, type PgTable, pgTable, uniqueIndex } from 'drizzle-orm/pg-core'
import { bool, computed, date, email, type Field, hidden, text, type ValueOf } from './fields/index.ts'

/** null: superusers only; '': everybody; else a filter expression. */
export type Rule = string | null
export type Action = 'list' | 'view' | 'create' | 'update' | 'delete'
export type Rules = Record<Action, Rule>

/** `where` is SQL over the columns, for partial unique indexes. */
export type Index = { fields: string[]; unique?: boolean; where?: string }

export type AuthOptions = {
  /** Lifetime of a token. */
  tokenSeconds: number
  password: boolean
  refreshable: boolean
  /** Sign-in by a code that is mailed, good for so long. It is off where no mail can be sent. */
  otpSeconds?: number
  /** A rule on the auth record; where it does not hold, every token of that record is dead. */
  active?: string
}

export type Fields = Record<string, Field>

export type Collection<F extends Fields = Fields> = {
  readonly id: string
  readonly name: string
  readonly type: 'base' | 'auth'
  /** Every stored field in column order, the ones each collection has included. */
  readonly fields: ReadonlyMap<string, Field>
  /** The fields declared with it; they carry its record's type. */
  readonly own: F
  readonly rules: Rules
  readonly indexes: readonly Index[]
  readonly auth?: AuthOptions
  /** Changes are written to the change log, and so to subscribers. */
  readonly logged: boolean
  /** Changes are written to the audit log. */
  readonly audited: boolean
  readonly table: PgTable
}

type Common = { id: string; created: string; updated: string }
type AuthFields = {
  email: string
  emailVisibility: boolean
  verified: boolean
  password: string
  tokenKey: string
}
/** A stored record as hooks see it. */
export type RecordOf<C> =
  C extends Collection<infer F>
    ? Common & Partial<AuthFields> & { -readonly [K in keyof F]: ValueOf<F[K]> }
    : never
/** A record whose collection is known at run time only. */
export type StoredRecord = Common & { [field: string]: unknown }

type Definition<F extends Fields> = {
  name: string
  /** Where PocketBase's own would be another than the one it makes of type and name. */
  id?: string
  fields: F
  rules: Rules
  indexes?: Index[]
  auth?: AuthOptions
  logged?: boolean
  audited?: boolean
}

const common = {
  id: text({ required: true, min: 15, max: 15, pattern: /^[a-z0-9]+$/ }),
  created: computed(date()),
  updated: computed(date()),
}

/** Who signs in by e-mail must have one. */
const authFields = ({ password }: AuthOptions) => ({
  email: email({ required: password }),
  emailVisibility: bool(),
  verified: bool(),
  password: hidden(computed(text({ max: 500 }))),
  tokenKey: hidden(computed(text({ max: 60 }))),
})

const AUTH_INDEXES: Index[] = [
  { fields: ['tokenKey'], unique: true },
  { fields: ['email'], unique: true, where: "email != ''" },
]

/** Declares a collection once: its table, validators, record type and rules all follow from this. */
export function defineCollection<const F extends Fields>(definition: Definition<F>): Collection<F> {
  const { name, fields: own, rules, auth, logged = true, audited = true } = definition
  const fields = new Map<string, Field>(Object.entries({ ...common, ...(auth && authFields(auth)), ...own }))
  const indexes = [...(auth ? AUTH_INDEXES : []), ...(definition.indexes ?? [])]
  const type = auth ? 'auth' : 'base'
  return {
    id: definition.id ?? `pbc_${crc32(type + name)}`,
    name,
    type,
    fields,
    own,
    rules,
    indexes,
    auth,
    logged,
    audited,
    table: tableOf(name, fields, indexes),
  }
}

function tableOf(name: string, fields: ReadonlyMap<string, Field>, indexes: readonly Index[]): PgTable {
  const columns = {
    ...Object.fromEntries([...fields].map(([field, { column }]) => [field, column()])),
    // The order of insertion, which is the order of a list that asks for none.
    _seq: bigint({ mode: 'number' }).generatedByDefaultAsIdentity(),
  }
  return pgTable(name, columns, (table) => {
    const column = (field: string) => (table as Record<string, PgColumn>)[field] as PgColumn
    const all: Index[] = [{ fields: ['id'], unique: true }, { fields: ['_seq'] }, ...indexes]
    return all.map(({ fields: [first, ...rest], unique, where }) => {
      const make = unique ? uniqueIndex : index
      const built = make(indexName(name, [first as string, ...rest])).on(
        column(first as string),
        ...rest.map(column),
      )
      return where ? built.where(sql.raw(where)) : built
    })
  })
}

/** Unique violations are told by this name, so it is made in one place. */
export const indexName = (collection: string, fields: readonly string[]): string =>
  `idx_${collection}__${fields.join('__')}`
