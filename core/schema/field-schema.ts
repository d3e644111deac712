import { crc32 } from 'node:zlib'
import type { Collection } from '../collection.ts'
import type { Field, FieldKind } from '../fields/index.ts'
import type { Registry } from '../registry.ts'

/** A field as PocketBase describes it; which keys there are depends on its type. */
export type FieldSchema = { id: string; name: string; type: string } & Record<string, unknown>

const TOKEN_KEY = { min: 30, max: 60, autogeneratePattern: '[a-zA-Z0-9]{50}' }
const ID = { primaryKey: true, pattern: '^[a-z0-9]+$', autogeneratePattern: '[a-z0-9]{15}' }

/** The fields in PocketBase's order: its own first, the times last. */
export function fieldSchemas(collection: Collection, registry: Registry): FieldSchema[] {
  const fields = new Map(collection.fields)
  const taken = (names: readonly string[]) =>
    names.flatMap((name) => {
      const field = fields.get(name)
      fields.delete(name)
      return field ? [fieldSchema(collection, name, field, registry)] : []
    })
  const first = taken(['id', 'password', 'tokenKey', 'email', 'emailVisibility', 'verified'])
  const times = taken(['created', 'updated'])
  return [...first, ...taken([...fields.keys()]), ...times]
}

function fieldSchema(collection: Collection, name: string, field: Field, registry: Registry): FieldSchema {
  const type = typeOf(name, field)
  const isTime = type === 'autodate'
  return {
    id: `${type}${crc32(name)}`,
    name,
    type,
    // PocketBase's own: of every collection, and in a system collection all of them.
    system: isTime ? isSystem(collection) : !Object.hasOwn(collection.own, name),
    hidden: field.hidden,
    presentable: false,
    ...(!isTime && { help: '', required: field.required || name === 'password' || name === 'tokenKey' }),
    ...options(name, field, type, registry),
  }
}

export const isSystem = ({ name }: Collection): boolean => name.startsWith('_')

type SchemaType = FieldKind | 'autodate'

function typeOf(name: string, { kind }: Field): SchemaType {
  if (name === 'created' || name === 'updated') return 'autodate'
  return name === 'password' ? 'password' : kind
}

function options(name: string, field: Field, type: SchemaType, registry: Registry): Record<string, unknown> {
  const given = field.options
  switch (type) {
    case 'autodate':
      return { onCreate: true, onUpdate: name === 'updated' }
    case 'text': {
      const { min, max, pattern = '' } = given
      const text = { min, max, pattern, primaryKey: false, autogeneratePattern: '' }
      return name === 'id' ? { ...text, ...ID } : name === 'tokenKey' ? { ...text, ...TOKEN_KEY } : text
    }
    case 'password':
      return { min: 8, max: 0, pattern: '', cost: 0 }
    case 'email':
      return { exceptDomains: [], onlyDomains: [] }
    case 'number':
      return { min: given.min ?? null, max: given.max ?? null, onlyInt: given.onlyInt ?? false }
    case 'date':
      return { min: '', max: '' }
    case 'select':
      return { values: given.values, maxSelect: given.maxSelect }
    case 'relation':
      return {
        collectionId: registry.need(field.target ?? '').id,
        cascadeDelete: field.cascade ?? false,
        minSelect: 0,
        maxSelect: given.maxSelect,
      }
    case 'json':
      return { maxSize: given.maxSize }
    case 'file':
      return {
        maxSelect: given.maxSelect,
        maxSize: given.maxSize,
        mimeTypes: given.mimeTypes ?? [],
        thumbs: [],
        protected: given.protected,
      }
    case 'bool':
      return {}
  }
}
