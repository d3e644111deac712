import { z } from 'zod'
import { packageArch, packageName, packageVersion } from '../agent-packages/letters.ts'
import { oneLine } from './printable.ts'

const REPLACED_MAX = 50

const orNull = <T extends z.ZodType>(schema: T) => schema.nullable().catch(null)
const shortText = (max: number) => z.string().transform((text) => oneLine(text, max))

/** A package in a result. What names it must be right, or it is none; what only describes it may be missing. */
const ResultPackage = z.object({
  package: packageName,
  current_version: z
    .literal('')
    .transform(() => null)
    .or(packageVersion)
    .nullable()
    .default(null),
  new_version: packageVersion,
  repository: orNull(shortText(255)),
  /** Null where the family cannot tell. */
  security: orNull(z.boolean()),
  arch: packageArch.default(''),
  /** Bytes to download. */
  size: orNull(z.number().int().nonnegative()),
  new_dependency: z.boolean().catch(false),
  /** Installed packages that it takes the place of. */
  replaces: z
    .custom<unknown[]>((value) => Array.isArray(value) && value.length <= REPLACED_MAX)
    .pipe(z.array(packageName))
    .optional()
    .catch(undefined),
  /** Of what was not upgraded: how the package database has it. */
  state: shortText(100).optional().catch(undefined),
})
export type ResultPackage = z.infer<typeof ResultPackage>

/** Undefined for what is no package. */
export const readPackage = (entry: unknown): ResultPackage | undefined => ResultPackage.safeParse(entry).data
