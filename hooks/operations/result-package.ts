import { z } from 'zod'
import { oneLine } from './printable.ts'

/** What package managers allow in names and versions; nothing that a terminal, a page or a shell could mistake. */
const NAME = /^[A-Za-z0-9@_][A-Za-z0-9@._+:~-]{0,254}$/
const VERSION = /^[\x21-\x7e]{1,255}$/
const ARCH = /^[A-Za-z0-9_.-]{0,50}$/
const REPLACED_MAX = 50

const name = z.string().regex(NAME)
const orNull = <T extends z.ZodType>(schema: T) => schema.nullable().catch(null)
const shortText = (max: number) => z.string().transform((text) => oneLine(text, max))

/** A package in a result. What names it must be right, or it is none; what only describes it may be missing. */
const ResultPackage = z.object({
  package: name,
  current_version: z
    .literal('')
    .transform(() => null)
    .or(z.string().regex(VERSION))
    .nullable()
    .default(null),
  new_version: z.string().regex(VERSION),
  repository: orNull(shortText(255)),
  /** Null where the family cannot tell. */
  security: orNull(z.boolean()),
  arch: z.string().regex(ARCH).default(''),
  /** Bytes to download. */
  size: orNull(z.number().int().nonnegative()),
  new_dependency: z.boolean().catch(false),
  /** Installed packages that it takes the place of. */
  replaces: z
    .custom<unknown[]>((value) => Array.isArray(value) && value.length <= REPLACED_MAX)
    .pipe(z.array(name))
    .optional()
    .catch(undefined),
  /** Of what was not upgraded: how the package database has it. */
  state: shortText(100).optional().catch(undefined),
})
export type ResultPackage = z.infer<typeof ResultPackage>

/** Undefined for what is no package. */
export const readPackage = (entry: unknown): ResultPackage | undefined => ResultPackage.safeParse(entry).data
