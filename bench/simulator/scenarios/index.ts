import type { Figures, Run } from '../run.ts'
import { idle } from './idle.ts'
import { patch } from './patch.ts'
import { reconnect } from './reconnect.ts'
import { schedule } from './schedule.ts'
import { steady } from './steady.ts'

/** What is done with a fleet that stands; `--scenario` names it. */
export const scenarios: Record<
  'patch' | 'schedule' | 'steady' | 'idle' | 'reconnect',
  (run: Run) => Promise<Figures>
> = {
  patch,
  schedule,
  steady,
  idle,
  reconnect,
}
