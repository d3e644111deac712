import type { Script } from '../../collections/scripts.ts'
import type { App } from '../../core/app.ts'
import { systemCaller } from '../../core/records/actor.ts'
import { formatTime } from '../../core/time.ts'
import { manifestOf } from './manifest-of.ts'
import { sameScripts } from './same-scripts.ts'
import { factsOf, serverSequence, signForServer } from './server-signature.ts'
import { storedVersion } from './version.ts'

/**
 * A version was withdrawn, and an older one takes its place: hosts that have seen the newer would refuse it, unless it
 * is signed after that. One that an operator has signed waits for him.
 */
export async function succeed(app: App, withdrawn: Script): Promise<void> {
  const rest = await sameScripts(app.database, withdrawn)
  // As scripts are chosen: an uploaded one before a built-in, then the newest.
  const heir = rest.findLast(({ built_in }) => !built_in) ?? rest.at(-1)
  if (!heir || heir.created > withdrawn.created) return
  if (manifestOf(heir)?.key_id !== app.signingKey.id) return
  const created = formatTime(app.clock())
  const sequence = serverSequence([...rest, withdrawn], app.signingKey.id, { id: '', created })
  const version = await storedVersion(app, heir)
  const body = signForServer(app, factsOf(heir), { sequence, created, version })
  await app.records.update('scripts', heir.id, { body }, { ...systemCaller, act: 'sign' })
}
