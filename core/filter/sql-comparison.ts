import type { SQL } from 'drizzle-orm'
import { isMany, keyOf, waysOf } from './hop.ts'
import { isAuth, isEmptyConstant, neverEqual } from './known.ts'
import type { Guard } from './listable.ts'
import type { Comparison, Operand } from './resolved.ts'
import type { FilterContext } from './shape.ts'
import { columnOf } from './sql-column.ts'
import { compareInSql, filled, present, type Term } from './sql-compare.ts'
import { everyListable } from './sql-guard.ts'
import { all, FALSE, not, TRUE } from './sql-logic.ts'
import { closed, condition, type Leaf, type Node, OPEN } from './sql-node.ts'
import { along, nothing, type Place, placeOf } from './sql-operand.ts'
import { type Row, rowsOf } from './sql-rows.ts'

type Test = (left: Term, right: Term) => SQL

/**
 * One comparison. With a plain operator over many records it must hold for one of them and fail for none, where the
 * two sides count independently of each other; with `?` the first is enough.
 */
export function comparison(node: Comparison, context: FilterContext, guards: readonly Guard[]): Node {
  const left = placeOf(node.left, context)
  const right = placeOf(node.right, context)
  const one = leafOf(left, right, testOf(node, context))
  if (node.any || one.rows.length === 0) return one

  const fails = failing(node, context)
  const none = closed((scope) => {
    const fresh = scope.newAlias()
    const apart = leafOf(set(left, `${fresh} left.`), set(right, `${fresh} right.`), fails)
    // With a single row `one` has said all there is to say of its missing.
    const leaf = apart.rows.length === 1 ? { ...apart, without: () => FALSE } : apart
    return not(condition(leaf, scope))
  })
  const [only] = one.rows
  const said = one.rows.length === 1 && only && one.without(only.key) === TRUE
  return { kind: 'and', terms: [...(said ? [] : [one]), none, ...unlisted([node.left, node.right], guards)] }
}

/** A test, or its opposite, which is taken outside of the paths: `!=` holds wherever `=` does not. */
type Question = { test: Test; negated: boolean }

function testOf(node: Comparison, context: FilterContext): Question {
  if (node.op === '!=') return { test: equality(node, context), negated: true }
  if (node.op === '=') return { test: equality(node, context), negated: false }
  return { test: (left, right) => compareInSql(node.op, left, right), negated: false }
}

function failing(node: Comparison, context: FilterContext): Question {
  const { test, negated } = testOf(node, context)
  if (node.op === '=' || node.op === '!=') return { test, negated: !negated }
  return {
    test: (left, right) => all([present(left), present(right), not(test(left, right))]),
    negated: false,
  }
}

function equality(node: Comparison, context: FilterContext): Test {
  const { left, right } = node
  if (neverEqual(node, context)) return () => FALSE
  const readOfCaller = (operand: Operand) => isAuth(operand) && operand.kind === 'request-path'
  return (leftTerm, rightTerm) =>
    all([
      compareInSql('=', leftTerm, rightTerm),
      readOfCaller(left) && !isEmptyConstant(right) ? filled(leftTerm) : TRUE,
      readOfCaller(right) && !isEmptyConstant(left) ? filled(rightTerm) : TRUE,
    ])
}

function leafOf(left: Place, right: Place, { test, negated }: Question): Leaf {
  const rows = distinct([...rowsAt(left), ...rowsAt(right)])
  const asked = (holds: SQL) => (negated ? not(holds) : holds)
  return {
    kind: 'leaf',
    rows,
    without(key) {
      const rights = termsWithout(right, key)
      const answers = termsWithout(left, key).flatMap((leftTerm) =>
        rights.map((rightTerm) => asked(test(leftTerm, rightTerm))),
      )
      return answers.every((answer) => answer === answers[0]) ? answers[0]! : OPEN
    },
    toSql: (scope) =>
      asked(along(left, scope, (leftTerm) => along(right, scope, (rightTerm) => test(leftTerm, rightTerm)))),
  }
}

const rowsAt = (place: Place): Row[] => ('reach' in place ? rowsOf(place.reach.path.hops, place.reach) : [])

const distinct = (rows: Row[]): Row[] => [...new Map(rows.map((row) => [row.key, row])).values()]

/** All that may be met at a place where the row of `key` is missing; the aliases are never seen. */
function termsWithout(place: Place, key: string): Term[] {
  if ('term' in place) return [place.term('unseen')]
  const { path } = place.reach
  const missing = rowsAt(place).some((row) => row.key === key)
  return missing ? [nothing(path)] : [nothing(path), columnOf(path, 'unseen')]
}

const set = (place: Place, prefix: string): Place =>
  'reach' in place ? { reach: { ...place.reach, prefix } } : place

/** All are asked about, so all must be ones that the client may list. */
const unlisted = (operands: readonly Operand[], guards: readonly Guard[]): Leaf[] =>
  operands.flatMap((operand) => {
    if (operand.kind !== 'field') return []
    const ways = new Set(
      waysOf(operand.hops)
        .filter((way) => way.some(isMany))
        .map(keyOf),
    )
    return guards.filter(({ hops }) => ways.has(keyOf(hops))).map(everyListable)
  })
