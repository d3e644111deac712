import { z } from 'zod'
import { textColumn } from './columns.ts'
import { field, notBlank } from './field.ts'
import { toSingle } from './select.ts'

/**
 * The id of a record of the collection named `target`, which may be defined later. That the record exists is
 * checked by the write itself. `cascade`: deleting the target deletes this record too; without it the
 * relation is emptied, or, where it is required, the delete is refused.
 */
export const relation = (
  target: string,
  { required = false, cascade = false, keep = false }: RelationOptions = {},
) =>
  field<string>({
    kind: 'relation',
    column: textColumn,
    convert: toSingle,
    schema: z.string().check(notBlank(required, '')),
    zero: '',
    required,
    target,
    cascade,
    options: { maxSelect: 1, keep },
  })

type RelationOptions = {
  required?: boolean
  cascade?: boolean
  /** The id stays when its target is deleted: history must not be rewritten. */
  keep?: boolean
}
