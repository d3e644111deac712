import { type Collection, type Index, indexName } from '../collection.ts'

const quoted = (name: string) => `\`${name}\``

/** The indexes as PocketBase writes them; those of every auth collection carry the names it gives them. */
export const indexSql = (collection: Collection): string[] =>
  collection.indexes.map((index) => {
    const columns = index.fields.map(quoted).join(', ')
    const what = index.unique ? 'CREATE UNIQUE INDEX' : 'CREATE INDEX'
    const where = index.where ? ` WHERE ${index.where}` : ''
    return `${what} ${quoted(nameOf(collection, index))} ON ${quoted(collection.name)} (${columns})${where}`
  })

function nameOf({ type, id, name }: Collection, { fields, unique }: Index): string {
  const [field = ''] = fields
  const isAuths = type === 'auth' && unique && fields.length === 1 && ['tokenKey', 'email'].includes(field)
  return isAuths ? `idx_${field}_${id}` : indexName(name, fields)
}
