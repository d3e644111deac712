import type { Comparison, FieldPath, Operand, Resolved } from './resolved.ts'
import type { CollectionShape } from './shape.ts'

/**
 * What is said of an e-mail holds only where it is shown to all; else a client could spell out a stranger's,
 * letter by letter. Where the comparison must hold for every record of a path, every one must be shown.
 */
export function whereShown(comparison: Comparison, collection: CollectionShape): Resolved {
  const shown = [comparison.left, comparison.right].flatMap((operand) => {
    const path = operand.kind === 'field' ? visibilityOf(operand, collection) : undefined
    const right: Operand = { kind: 'constant', value: true }
    return path
      ? [{ kind: 'compare' as const, op: '=' as const, any: comparison.any, left: path, right }]
      : []
  })
  return shown.length === 0 ? comparison : { kind: 'and', terms: [comparison, ...shown] }
}

/** Tells whether the e-mail at the end of a path is shown; undefined for fields that are none. */
export function visibilityOf(path: FieldPath, collection: CollectionShape): FieldPath | undefined {
  if (path.field.kind !== 'email') return undefined
  const owner = path.hops.at(-1)?.collection ?? collection
  const field = owner.fields.get('emailVisibility')
  return field && { kind: 'field', hops: path.hops, field, keys: [] }
}
