import type { Known } from './differences.ts'

/** Who asks. The last three have tokens of the same names in every world. */
export const PEOPLE = ['guest', 'root', 'alice', 'bob', 'agent', 'other'] as const
export type Who = (typeof PEOPLE)[number]

export type Part =
  | { name: string; text: string }
  | { name: string; file: string; content: string | Uint8Array }

/**
 * One request, the same for both sides. `$name` stands for the id of a person, `$name.a.b` for what an earlier
 * answer saved as `name` has there; in path, headers and body.
 */
export type Step = {
  as: Who
  method: string
  path: string
  headers?: Record<string, string>
  /** As it is sent: JSON text, mostly. */
  body?: string
  parts?: Part[]
  save?: string
}

/** Steps that belong together, or one alone; `differs` names the entry of `differences.ts` that it hits. */
export type Case = { title: string; steps: Step[]; differs?: Known }

const LINE = new RegExp(`^(?:(\\w+) = )?(${PEOPLE.join('|')}) ([A-Z]+) (\\S+)(?: (.*))?$`, 's')

/** `[name =] who METHOD path [body]`, where the path has no blanks and a body is sent as JSON. */
export function step(line: string | Step): Step {
  if (typeof line !== 'string') return line
  const [, save, as, method = '', path = '', body] = LINE.exec(line) ?? []
  if (!as) throw new Error(`A case cannot be read: ${line}`)
  return { as: as as Who, method, path: short(path), body, save }
}

/** `things/ID` and `things?x` are the records of a collection; whatever begins with a slash is as it stands. */
const short = (path: string): string =>
  path.startsWith('/') ? path : `/api/collections/${path.replace(/^([^/?]+)/, '$1/records')}`

export const one = (line: string, differs?: Known): Case => ({ title: line, steps: [step(line)], differs })

export const flow = (title: string, lines: (string | Step)[], differs?: Known): Case => ({
  title,
  steps: lines.map(step),
  differs,
})

/** A list with its query written plainly. */
export function list(as: Who, collection: string, query: Record<string, string>, differs?: Known): Case {
  const search = Object.entries(query).map(([key, value]) => `${key}=${encodeURIComponent(value)}`)
  const path = `/api/collections/${collection}/records?${search.join('&')}`
  const title = `${as} lists ${collection} ${JSON.stringify(query)}`
  return { title, steps: [{ as, method: 'GET', path }], differs }
}

/** One list for each filter, in the order of insertion. */
export const filters = (as: Who, collection: string, sources: readonly string[], differs?: Known): Case[] =>
  sources.map((filter) => list(as, collection, { filter, fields: 'id', perPage: '100' }, differs))

/** One case for each line. */
export const each = (lines: readonly string[], differs?: Known): Case[] =>
  lines.map((line) => one(line, differs))

/** A multipart request. */
export const form = (as: Who, method: string, path: string, parts: Part[], save?: string): Step => ({
  as,
  method,
  path: short(path),
  parts,
  save,
})
