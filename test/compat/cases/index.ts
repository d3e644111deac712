import type { Case } from '../request.ts'
import { language } from './filters.ts'
import { http } from './http.ts'
import { lists } from './lists.ts'
import { records } from './records.ts'
import { rules } from './rules.ts'

// The reading chapters come first: what they list is then the same in every run.
export const chapters: Record<string, Case[]> = { lists, language, http, rules, records }
