import type {
  Catalog,
  CollectionShape,
  FieldShape,
  FilterContext,
  FilterRecord,
} from '../../../core/filter/index.ts'

type Given = string | Omit<FieldShape, 'name' | 'hidden'> | Omit<FieldShape, 'name'>

const collection = (name: string, fields: Record<string, Given>): CollectionShape => ({
  id: `pbc_${name}`,
  name,
  fields: new Map(
    Object.entries({ id: 'text', created: 'date', ...fields }).map(([field, given]) => {
      const shape = typeof given === 'string' ? { kind: given } : given
      return [field, { name: field, hidden: false, ...shape }]
    }),
  ),
})

const relation = (target: string) => ({ kind: 'relation', target })

export const teams = collection('teams', { name: 'text', size: 'number' })
export const people = collection('people', {
  name: 'text',
  age: 'number',
  on_call: 'bool',
  profile: 'json',
  team: relation('teams'),
  secret: { kind: 'password', hidden: true },
})
export const agents = collection('agents', { hostname: 'text', owner: relation('people') })
export const tasks = collection('tasks', {
  title: 'text',
  note: 'text',
  count: 'number',
  size: 'number',
  active: 'bool',
  urgent: 'bool',
  due: 'date',
  state: 'select',
  log: 'file',
  data: 'json',
  extra: 'json',
  owner: relation('people'),
  helper: relation('people'),
  agent: relation('agents'),
  parent: relation('tasks'),
})

export const collections = [teams, people, agents, tasks]
export const catalog: Catalog = {
  get: (nameOrId) => collections.find(({ id, name }) => id === nameOrId || name === nameOrId.toLowerCase()),
  callers: () => [people, agents],
}
export const everything = { request: true, hidden: true }
export const nothing = { request: false, hidden: false }
export const ruleScope = { collection: tasks, catalog, mayUse: everything }
export const clientScope = { collection: tasks, catalog, mayUse: nothing }

/** Every field at its zero value, but for those given. */
export const record = (shape: CollectionShape, given: FilterRecord = {}): FilterRecord => ({
  ...Object.fromEntries([...shape.fields.values()].map(({ name, kind }) => [name, zero(kind)])),
  ...given,
})
export const task = (given: FilterRecord = {}): FilterRecord => record(tasks, given)

const zero = (kind: string): unknown => {
  if (kind === 'number') return 0
  if (kind === 'bool') return false
  return kind === 'json' ? null : ''
}

export const NOW = new Date('2024-06-15T12:34:56.789Z')

export const context = (given: Partial<FilterContext> = {}): FilterContext => ({
  auth: null,
  body: {},
  query: {},
  headers: {},
  method: 'GET',
  context: 'default',
  now: NOW,
  ...given,
})

export const callerFrom = (shape: CollectionShape, given: FilterRecord): FilterContext =>
  context({ auth: { ...record(shape, given), collectionName: shape.name, collectionId: shape.id } })
