import type { Case } from '../request.ts'
import { auth } from './auth.ts'
import { batches } from './batch.ts'
import { deliberate } from './deliberate.ts'
import { expand } from './expand.ts'
import { fields } from './fields.ts'
import { files } from './files.ts'
import { language } from './filters.ts'
import { http } from './http.ts'
import { lists } from './lists.ts'
import { records } from './records.ts'
import { related } from './related.ts'
import { rules } from './rules.ts'

// The reading chapters come first: what they list is then the same in every run.
export const chapters: Record<string, Case[]> = {
  lists,
  language,
  related,
  expand,
  fields,
  http,
  rules,
  records,
  files,
  auth,
  batches,
  'deliberately different': deliberate,
}
