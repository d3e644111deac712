import { z } from 'zod'
import { PACKAGE_NAME } from '../../collections/package-exceptions.ts'
import type { Upload } from '../../core/files/storage.ts'
import { oneLine } from './printable.ts'
import { resultLine } from './result-line.ts'
import { type ResultPackage, readPackage } from './result-package.ts'

const PACKAGES_MAX = 5000
const NAMES_MAX = 1000
const SENTENCES_MAX = 100
const UPDATES_MAX = 1_000_000

export const LISTS = ['packages', 'excluded', 'held', 'upgraded', 'failed'] as const
type List = (typeof LISTS)[number]

/** Its length is judged before what is in it: that may be a million of anything. */
const list = z.custom<unknown[]>((value) => Array.isArray(value))
const sentence = (max: number) => z.string().transform((text) => oneLine(text, max))
const sentences = list.transform((all) => all.slice(0, SENTENCES_MAX)).pipe(z.array(sentence(1000)))

const Evidence = z.object({
  /** Every enabled repository was asked in this run, and answered. */
  refreshed: z.boolean(),
  refresh_error: sentence(5000).nullable().default(null),
  /** Since a repository last published something; null where that cannot be known. */
  newest_metadata_age_seconds: z.number().nonnegative().nullable().default(null),
  manager: sentence(50).nullable().default(null),
  manager_version: sentence(100).nullable().default(null),
})

/** What a script says beside its lists. Each may be missing: scripts of others say less. */
const SAID = {
  updates_available: z.number().int().nonnegative().max(UPDATES_MAX),
  dry_run: z.boolean(),
  exclusions: list
    .refine(({ length }) => length <= NAMES_MAX)
    .pipe(z.array(z.string().max(255).regex(PACKAGE_NAME))),
  warnings: sentences,
  reboot_required: z.boolean(),
  reboot_reason: sentence(500),
  services_to_restart: sentences,
  execution_time: z.number().nonnegative(),
  evidence: Evidence,
  error: sentence(10_000),
}
type Said = { [Name in keyof typeof SAID]: z.infer<(typeof SAID)[Name]> | null }

/** What is kept of a result. A list that was not printed is empty, anything else null. */
export type Result = Said & Record<List, ResultPackage[]> & { note?: string }

/** How much a script printed, whatever of it was then dropped: conclusions are drawn from this. */
export type Printed = Record<List, number> & {
  /** Packages that are installed and to be upgraded; undefined where there was no list. */
  updates: number | undefined
}

export type ReadResult = { result: Result; printed: Printed }

/** The result that a patch script prints as its last line; a refusal says why there is none, where one was tried. */
export async function readResult(
  stdout: Upload | undefined,
): Promise<{ read?: ReadResult; refusal?: string }> {
  const { printed, refusal } = await resultLine(stdout)
  return printed ? { read: shape(printed) } : { refusal }
}

/** Typed, cleaned and bounded, with a note of what had to go. Never throws. */
export function shape(said: Record<string, unknown>): ReadResult {
  const odd: string[] = []
  const notes: string[] = []
  const take = <T>(name: string, schema: z.ZodType<T>): T | null => {
    const value = said[name] ?? null
    if (value === null) return null
    const read = schema.safeParse(value)
    if (!read.success) odd.push(name)
    return read.data ?? null
  }
  const values = Object.entries(SAID).map(([name, schema]) => [name, take<unknown>(name, schema)])
  const lists = Object.fromEntries(LISTS.map((name) => [name, take(name, list) ?? []]))
  const kept = LISTS.map((name) => [name, readList(name, lists[name] ?? [], notes)])
  const result = { ...Object.fromEntries([...values, ...kept]) } as Result
  if (odd.length > 0) notes.unshift(`Not understood and left out: ${odd.join(', ')}.`)
  addNote(result, notes)
  const counts = Object.fromEntries(LISTS.map((name) => [name, lists[name]?.length ?? 0]))
  const updates = Array.isArray(said.packages) ? said.packages.filter(isUpdate).length : undefined
  return { result, printed: { ...(counts as Record<List, number>), updates } }
}

export function addNote(result: Result, sentences: readonly string[]): void {
  if (sentences.length > 0) result.note = [result.note, ...sentences].filter(Boolean).join(' ')
}

function readList(name: List, entries: readonly unknown[], notes: string[]): ResultPackage[] {
  const some = entries.slice(0, PACKAGES_MAX)
  const packages = some.map(readPackage).filter((entry) => entry !== undefined)
  const malformed = some.length - packages.length
  if (entries.length > some.length)
    notes.push(`"${name}" is cut to the first ${PACKAGES_MAX} of ${entries.length}.`)
  if (malformed > 0) notes.push(`${malformed} of "${name}" are no packages and left out.`)
  return packages
}

const isUpdate = (entry: unknown): boolean =>
  !(typeof entry === 'object' && entry !== null && 'new_dependency' in entry && entry.new_dependency === true)
