import { crc32 } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type CollectionSchema, schemasOf } from '../../../core/schema/index.ts'
import { type Engine, startEngine } from '../engine.ts'

let engine: Engine
let schemas: Map<string, CollectionSchema>
beforeAll(async () => {
  engine = await startEngine()
  schemas = new Map(schemasOf(engine.app).map((schema) => [schema.name, schema]))
})
afterAll(() => engine?.[Symbol.asyncDispose]())

const INDEX = /^CREATE (UNIQUE )?INDEX `\w+` ON `(\w+)` \((.+?)\)( WHERE .+)?$/

test('the indexes are those of the tables, but for the id and the order of insertion', async () => {
  type Row = { collection: string; columns: string; unique: boolean; partial: boolean }
  const rows = await engine.app.database.run<Row>(`
    select t.relname as "collection", i.indisunique as "unique", i.indpred is not null as "partial",
      (select string_agg(a.attname, ',' order by k.place) from unnest(i.indkey) with ordinality k(number, place)
        join pg_attribute a on a.attrelid = t.oid and a.attnum = k.number) as "columns"
    from pg_index i join pg_class t on t.oid = i.indrelid
    where t.relkind = 'r' and t.relnamespace = 'public'::regnamespace`)
  const inTables = rows
    .filter(({ collection, columns }) => schemas.has(collection) && columns !== 'id' && columns !== '_seq')
    .map(({ collection, columns, unique, partial }) => [collection, columns, unique, partial].join(' '))
  const told = [...schemas.values()].flatMap(({ indexes }) =>
    indexes.map((text) => {
      const [, unique, collection, columns = '', where] = INDEX.exec(text) ?? []
      return [collection, columns.replace(/[` ]/g, ''), unique !== undefined, where !== undefined].join(' ')
    }),
  )
  expect(told.toSorted()).toEqual(inTables.toSorted())
})

test('every field is a column, and every column a field', async () => {
  const rows = await engine.app.database.run<{ table: string; column: string }>(
    `select table_name as "table", column_name as "column" from information_schema.columns
     where table_schema = 'public' and column_name <> '_seq'`,
  )
  for (const { name, fields } of schemas.values()) {
    const columns = rows.filter(({ table }) => table === name).map(({ column }) => column)
    expect(fields.map((field) => field.name).toSorted(), name).toEqual(columns.toSorted())
  }
})

test('a collection in full', () => {
  const { fields, ...rest } = schemas.get('package_exceptions') as CollectionSchema
  const owner = '@request.auth.id != "" && user_id = @request.auth.id'
  const either = '@request.auth.id != "" && (user_id = @request.auth.id || agent_id = @request.auth.id)'
  const time = expect.stringMatching(/^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z$/)
  expect(rest).toEqual({
    id: `pbc_${crc32('basepackage_exceptions')}`,
    name: 'package_exceptions',
    type: 'base',
    system: false,
    listRule: either,
    viewRule: either,
    createRule: '@request.auth.id != ""',
    updateRule: owner,
    deleteRule: owner,
    indexes: [
      'CREATE INDEX `idx_package_exceptions__agent_id__created` ON `package_exceptions` (`agent_id`, `created`)',
      'CREATE INDEX `idx_package_exceptions__user_id__created` ON `package_exceptions` (`user_id`, `created`)',
    ],
    created: time,
    updated: time,
  })
  const common = { system: false, hidden: false, presentable: false, help: '', required: false }
  const relation = { ...common, type: 'relation', minSelect: 0, maxSelect: 1, cascadeDelete: false }
  const text = { ...common, type: 'text', min: 0, pattern: '', primaryKey: false, autogeneratePattern: '' }
  expect(fields.map(({ id: _, ...field }) => field)).toEqual([
    {
      ...text,
      name: 'id',
      min: 15,
      max: 15,
      system: true,
      required: true,
      primaryKey: true,
      pattern: '^[a-z0-9]+$',
      autogeneratePattern: '[a-z0-9]{15}',
    },
    { ...relation, name: 'user_id', required: true, collectionId: '_pb_users_auth_' },
    {
      ...relation,
      name: 'agent_id',
      required: true,
      cascadeDelete: true,
      collectionId: schemas.get('agents')?.id,
    },
    { ...relation, name: 'lxc_id', collectionId: schemas.get('proxmox_lxc')?.id },
    { ...text, name: 'package_name', required: true, max: 255, pattern: expect.stringMatching(/^\^/) },
    { ...text, name: 'reason', max: 2000 },
    { ...common, name: 'is_active', type: 'bool' },
    { ...common, name: 'expires_at', type: 'date', min: '', max: '' },
    {
      name: 'created',
      type: 'autodate',
      system: false,
      hidden: false,
      presentable: false,
      onCreate: true,
      onUpdate: false,
    },
    {
      name: 'updated',
      type: 'autodate',
      system: false,
      hidden: false,
      presentable: false,
      onCreate: true,
      onUpdate: true,
    },
  ])
})

test('what signs in, what is hidden, what is a file', () => {
  expect(schemas.get('agents')).toMatchObject({
    type: 'auth',
    authRule: 'status != "revoked"',
    passwordAuth: { enabled: false },
    authToken: { duration: 3600 },
  })
  const hidden = schemas.get('agents')?.fields.filter((field) => field.hidden)
  expect(hidden?.map(({ name }) => name)).toEqual([
    'password',
    'tokenKey',
    'refresh_token_hash',
    'refresh_token_expires',
    'enrol_key_hash',
    'packages_hash',
  ])
  expect(schemas.get('_superusers')).toMatchObject({ id: 'pbc_3142635823', system: true })
  expect(schemas.get('scripts')?.fields.find(({ name }) => name === 'file')).toMatchObject({
    maxSize: 10 * 1_048_576,
    protected: true,
    required: true,
  })
})
