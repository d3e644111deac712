import type { Case } from '../request.ts'
import { http } from './http.ts'

export const chapters: Record<string, Case[]> = { http }
