import type { App } from '../app.ts'
import type { Collection } from '../collection.ts'
import { BadRequest } from '../errors.ts'
import { type Caller, isSuperuser } from './actor.ts'

/** One relation to follow, and what to follow from there. */
export type Step = {
  /** As asked for; the key under `expand`. */
  key: string
  target: Collection
  /** The relation's field: of the record itself, or, on the way back, of the target. */
  field: string
  direction: 'forth' | 'back'
  /** One record instead of a list. */
  single: boolean
  next: Step[]
}

const DEPTH_MAX = 6
/** PocketBase has no such limit. Each path costs up to six statements. */
const PATHS_MAX = 50

const VIA = '_via_'

/**
 * The relations that a comma list of dotted paths names, those that begin alike in one tree. A path with anything
 * wrong in it, or through a collection that only superusers may view, is left out whole: that is decided before any
 * record is looked at, so it tells nothing of them. Throws BadRequest for too many paths.
 */
export function parseExpand(app: App, collection: Collection, source: string, caller: Caller): Step[] {
  const paths = source
    .replaceAll(' ', '')
    .split(',')
    .map(withoutOuterDots)
    .filter((path) => path !== '')
  if (paths.length > PATHS_MAX)
    throw new BadRequest(`"expand" has ${paths.length} paths; at most ${PATHS_MAX} are accepted.`)
  const steps: Step[] = []
  for (const path of paths) {
    // It is on the longer one's way, and shares its fate.
    if (paths.some((other) => other.startsWith(`${path}.`))) continue
    graft(steps, resolvePath(app, collection, path, caller))
  }
  return steps
}

/** By hand: an expression for the dots at the end takes its time over those in the middle. */
function withoutOuterDots(path: string): string {
  let start = 0
  let end = path.length
  while (path[start] === '.') start++
  while (end > start && path[end - 1] === '.') end--
  return path.slice(start, end)
}

function resolvePath(app: App, collection: Collection, path: string, caller: Caller): Step[] {
  const chain: Step[] = []
  let from = collection
  for (const key of path.split('.').slice(0, DEPTH_MAX)) {
    const step = resolveStep(app, from, key)
    if (!step || (step.target.rules.view === null && !isSuperuser(caller))) return []
    chain.push(step)
    from = step.target
  }
  return chain
}

function resolveStep(app: App, from: Collection, key: string): Step | undefined {
  const own = from.fields.get(key)
  if (own?.target && !own.hidden) {
    const target = app.registry.need(own.target)
    return { key, target, field: key, direction: 'forth', single: true, next: [] }
  }
  const [name = '', field = ''] = backOf(key)
  const target = app.registry.find(name)
  const relation = target?.fields.get(field)
  if (!target || !relation?.target || relation.hidden) return undefined
  if (app.registry.need(relation.target) !== from) return undefined
  const single = target.indexes.some(
    ({ unique, fields: [first, ...rest] }) => unique && first === field && rest.length === 0,
  )
  return { key, target, field, direction: 'back', single, next: [] }
}

/** Of `COLL_via_FIELD` and `COLL(FIELD)` the two names. By hand: an expression would try every `_via_` in turn. */
function backOf(key: string): [name: string, field: string] | [] {
  if (key.endsWith(')')) {
    const open = key.indexOf('(')
    return open < 0 ? [] : [key.slice(0, open), key.slice(open + 1, -1)]
  }
  const via = key.lastIndexOf(VIA)
  return via < 0 ? [] : [key.slice(0, via), key.slice(via + VIA.length)]
}

function graft(steps: Step[], [first, ...rest]: Step[]): void {
  if (!first) return
  let step = steps.find(({ key }) => key === first.key)
  if (!step) {
    step = first
    steps.push(step)
  }
  graft(step.next, rest)
}
