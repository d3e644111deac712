import { holds, type Side } from '../../../core/filter/compare.ts'
import { fieldValue } from '../../../core/filter/field-value.ts'
import { type Hop, isMany, keyOf, waysOf } from '../../../core/filter/hop.ts'
import type { FilterContext, FilterRecord, Resolved } from '../../../core/filter/index.ts'
import { isKnown, knownSide, neverEqual } from '../../../core/filter/known.ts'
import { type Comparison, columnType, comparisonsOf, type Operand } from '../../../core/filter/resolved.ts'

type Records = (collection: string) => readonly FilterRecord[]
type Choice = ReadonlyMap<string, FilterRecord | undefined>

/**
 * What a filter over related records means, said the long way: it holds if it does for some choice of one record per
 * way that leads to many, or of none where there is none. Every choice is tried.
 */
export function holdsForSome(
  resolved: Resolved,
  { row, records, context }: { row: FilterRecord; records: Records; context: FilterContext },
): boolean {
  const operands = comparisonsOf(resolved).flatMap(({ left, right }) => [left, right])

  /** The records one step on; where there are none, one that is missing. */
  const next = (from: FilterRecord | undefined, hop: Hop): (FilterRecord | undefined)[] => {
    const all = records(hop.collection.name)
    const found = all.filter((each) => {
      if (hop.by === 'collection') return true
      if (!from) return false
      return hop.by === 'relation' ? each.id === from[hop.field] : each[hop.field] === from.id
    })
    return found.length === 0 ? [undefined] : found
  }
  const reached = (hops: readonly Hop[], choice: Choice): FilterRecord | undefined =>
    waysOf(hops).reduce<FilterRecord | undefined>((from, way) => {
      const hop = way.at(-1)!
      return isMany(hop) ? choice.get(keyOf(way)) : next(from, hop)[0]
    }, row)

  const choicesOf = (some: readonly Operand[]): Choice[] => {
    const ways = some.flatMap((operand) => (operand.kind === 'field' ? waysOf(operand.hops) : []))
    const many = new Map(ways.filter((way) => isMany(way.at(-1)!)).map((way) => [keyOf(way), way]))
    return [...many]
      .sort(([, a], [, b]) => a.length - b.length)
      .reduce<Choice[]>(
        (choices, [key, way]) =>
          choices.flatMap((choice) =>
            next(reached(way.slice(0, -1), choice), way.at(-1)!).map(
              (found) => new Map([...choice, [key, found]]),
            ),
          ),
        [new Map()],
      )
  }
  const sideOf = (operand: Operand, choice: Choice): Side => {
    if (isKnown(operand)) return knownSide(operand, context)
    if (operand.kind !== 'field') throw new Error('Not tried here')
    const found = reached(operand.hops, choice)
    const value = found ? fieldValue(operand, found) : operand.modifier === 'length' ? 0 : null
    return { value, source: columnType(operand) }
  }
  const compared = (node: Comparison, leftChoice: Choice, rightChoice: Choice) => {
    const { op, left, right } = node
    const sides = [sideOf(left, leftChoice), sideOf(right, rightChoice)] as const
    const equality = op === '=' || op === '!='
    const found = equality && neverEqual(node, context) ? op === '!=' : holds(op, ...sides)
    // Where there is no value, no order and no pattern holds, and none is broken.
    return { holds: found, fails: !found && (equality || sides.every(({ value }) => value !== null)) }
  }
  const asked = (node: Resolved, choice: Choice): boolean => {
    if (node.kind !== 'compare')
      return node.terms[node.kind === 'and' ? 'every' : 'some']((term) => asked(term, choice))
    if (!compared(node, choice, choice).holds) return false
    return node.any || !manyIn(node) || none(node)
  }
  const manyIn = ({ left, right }: Comparison) =>
    [left, right].some((operand) => operand.kind === 'field' && operand.hops.some(isMany))
  const none = (node: Comparison) =>
    choicesOf([node.left]).every((one) =>
      choicesOf([node.right]).every((other) => !compared(node, one, other).fails),
    )

  return choicesOf(operands).some((choice) => asked(resolved, choice))
}
