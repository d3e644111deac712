import { z } from 'zod'
import { textColumn } from './columns.ts'
import { field } from './field.ts'
import { toSingle } from './select.ts'

/** The name of one stored file. Content arrives as an upload beside the body; see `core/files/`. */
export const file = ({ maxBytes, required = false }: { maxBytes: number; required?: boolean }) =>
  field<string>({
    kind: 'file',
    column: textColumn,
    convert: toSingle,
    schema: z.string(),
    zero: '',
    required,
    maxBytes,
    options: { maxSelect: 1, maxSize: maxBytes, protected: true },
  })
