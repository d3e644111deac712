import type { z } from 'zod'
import { BadRequest, type FieldErrors } from './errors.ts'

/** Reads a body of known form; wrong JSON types get PocketBase's answer for them. */
export function fieldsOf<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body ?? {})
  if (result.success) return result.data
  throw new BadRequest('An error occurred while loading the submitted data.', fieldErrors(result.error))
}

/** zod's issues under the fields they belong to. */
export function fieldErrors(error: z.ZodError): FieldErrors {
  const errors: FieldErrors = {}
  for (const issue of error.issues) {
    const name = String(issue.path[0] ?? '')
    if (name !== '' && !errors[name])
      errors[name] = { code: 'validation_invalid_value', message: `${issue.message}.` }
  }
  return errors
}
