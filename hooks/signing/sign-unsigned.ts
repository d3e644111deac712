import { scripts } from '../../collections/scripts.ts'
import type { App } from '../../core/app.ts'
import { systemCaller } from '../../core/records/actor.ts'
import { findAll } from '../../core/records/read.ts'

/** Signs what was stored before there were signatures: nothing unsigned runs anywhere. */
export async function signUnsigned(app: App): Promise<void> {
  // Any update of an unsigned script signs it.
  for (const { id } of await findAll(app.database, scripts, `"manifest" = '' order by "created", "_seq"`))
    await app.records.update('scripts', id, { body: {} }, { ...systemCaller, act: 'sign' })
}
