import type { App } from '../../../core/app.ts'
import { Forbidden } from '../../../core/errors.ts'
import { actingAs, callerFrom } from '../../../core/records/actor.ts'
import { requireNotBarred, requireSignedIn } from '../../guards.ts'
import type { AgentAction } from './action.ts'

/** Everything that is installed on a host: `{hash, packages: [{name, arch, version, held?}]}`. */
export const reportPackages =
  (app: App): AgentAction =>
  async (c, body) => {
    requireNotBarred(c)
    const { caller } = c.var
    requireSignedIn(caller)
    if (!callerFrom(caller, 'agents')) throw new Forbidden('Packages are reported by agents only.')
    const act = actingAs(caller, 'report-packages', true)
    const { stored, dropped } = await app.records.create('agent_packages', { body }, act)
    return c.json({
      success: true,
      message: 'packages recorded',
      stored: Number(stored),
      dropped: Number(dropped),
    })
  }
