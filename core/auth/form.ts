import { BadRequest, type FieldError, type FieldErrors } from '../errors.ts'
import { isAddress } from '../fields/email.ts'

/** The body, or a part of it, has another form than the call's. */
export const unreadableForm = () => new BadRequest('An error occurred while loading the submitted data.')

/** The named texts of a body. What is absent or null is ''; anything else than text is refused. */
export function readForm<N extends string>(body: unknown, ...names: N[]): Record<N, string> {
  const given = body as Record<string, unknown>
  const values = names.map((name) => {
    const value = given[name] ?? ''
    if (typeof value !== 'string') throw unreadableForm()
    return [name, value] as const
  })
  return Object.fromEntries(values) as Record<N, string>
}

/** Throws when any field is wrong; `undefined` stands for a field that is right. */
export function refuseWrong(fields: Record<string, FieldError | undefined>): void {
  const errors: FieldErrors = {}
  for (const [name, error] of Object.entries(fields)) if (error) errors[name] = error
  if (Object.keys(errors).length > 0)
    throw new BadRequest('An error occurred while validating the submitted data.', errors)
}

export const blank: FieldError = { code: 'validation_required', message: 'Cannot be blank.' }
export const mismatch: FieldError = { code: 'validation_values_mismatch', message: "Values don't match." }
export const invalidToken: FieldError = {
  code: 'validation_invalid_token',
  message: 'Invalid or expired token.',
}
export const foreignToken: FieldError = {
  code: 'validation_token_collection_mismatch',
  message: 'The provided token is for different auth collection.',
}

/** A text that must be there, of `min` to `max` bytes. */
export function wrongLength(value: string, min: number, max: number): FieldError | undefined {
  if (value === '') return blank
  const length = Buffer.byteLength(value)
  if (length >= min && length <= max) return undefined
  return {
    code: 'validation_length_out_of_range',
    message: `The length must be between ${min} and ${max}.`,
    params: { min, max },
  }
}

export const wrongAddress = (value: string): FieldError | undefined =>
  wrongLength(value, 1, 255) ??
  (isAddress(value) ? undefined : { code: 'validation_is_email', message: 'Must be a valid email address.' })

/** The one field of most requests for mail. */
export function readAddress(body: unknown): string {
  const { email } = readForm(body, 'email')
  refuseWrong({ email: wrongAddress(email) })
  return email
}
