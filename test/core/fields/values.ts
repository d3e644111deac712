import type { Field } from '../../../core/fields/index.ts'

/** What a field keeps of an input, or the code and the message of what it has against it. */
export function kept(field: Field, input: unknown): unknown {
  const value = field.convert(input)
  const result = field.schema.safeParse(value)
  if (result.success) return value
  const issue = result.error.issues[0]
  return [issue?.code === 'custom' ? issue.params?.code : issue?.code, issue?.message]
}
