import type { Script } from '../../collections/scripts.ts'
import type { App } from '../../core/app.ts'
import { systemCaller } from '../../core/records/actor.ts'
import { manifestOf } from './manifest-of.ts'
import { sameScripts } from './same-scripts.ts'

/** What a caller does who has a stored script signed by the server once more, after all others. */
export const SIGN_ANEW = 'sign-anew'

/**
 * A version was withdrawn, and an older one takes its place: hosts that have seen the newer would refuse it, unless it
 * is signed after that. One that an operator has signed waits for him.
 */
export async function succeed(app: App, withdrawn: Script): Promise<void> {
  const rest = await sameScripts(app.database, withdrawn)
  // As scripts are chosen: an uploaded one before a built-in, then the newest.
  const heir = rest.findLast(({ built_in }) => !built_in) ?? rest.at(-1)
  if (!heir || heir.created > withdrawn.created) return
  if (manifestOf(heir)?.key_id === app.signingKey.id)
    await app.records.update('scripts', heir.id, { body: {} }, { ...systemCaller, act: SIGN_ANEW })
}
