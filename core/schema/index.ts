/** The collections in PocketBase's own words: for its clients, and for its import. */
export { type CollectionSchema, schemasOf } from './collection-schema.ts'
export { listSchemas } from './list.ts'
