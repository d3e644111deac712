import type { Script } from '../../collections/scripts.ts'
import type { App } from '../../core/app.ts'
import { BadRequest } from '../../core/errors.ts'
import type { Caller } from '../../core/records/actor.ts'
import type { SignedText } from '../../core/signing/signed-text.ts'
import { manifestOf } from './manifest-of.ts'
import { pairBeside } from './pair-beside.ts'
import { sameScripts } from './same-scripts.ts'

/** The operator's signature of a built-in script. One that cannot be read keeps no server from starting. */
export async function operatorsPair(app: App, path: string): Promise<SignedText | undefined> {
  try {
    const pair = await pairBeside(path)
    if (pair && 'problem' in pair) warn(app, path, pair.problem)
    else return pair
  } catch (error) {
    warn(app, path, `It cannot be read: ${(error as Error).message}.`)
  }
  return undefined
}

/**
 * Runs `write` with the operator's signature; with the server's own where the operator's is refused. Throws what else
 * goes wrong.
 */
export async function withPair<T>(
  app: App,
  path: string,
  pair: SignedText | undefined,
  write: (pair?: SignedText) => Promise<T>,
): Promise<T> {
  if (!pair) return write()
  try {
    return await write(pair)
  } catch (error) {
    const data = error instanceof BadRequest ? error.data : {}
    const why = data.manifest ?? data.signature
    if (!why) throw error
    warn(app, path, String(why.message))
    return write()
  }
}

/** The operator has signed a script that is stored already; or an old version is back, and must not be refused as old. */
export async function renewSignature(
  app: App,
  known: Script,
  path: string,
  pair: SignedText | undefined,
  caller: Caller,
): Promise<void> {
  const isNew = pair && (pair.manifest !== known.manifest || pair.signature !== known.signature)
  if (isNew)
    await withPair(app, path, pair, async (signed) => {
      if (signed) await app.records.update('scripts', known.id, { body: signed }, caller)
    })
  const sequence = ownSequence(app, known)
  if (pair || sequence === undefined) return
  const same = await sameScripts(app.database, known)
  if (same.some((each) => (ownSequence(app, each) ?? 0) > sequence))
    await app.records.update('scripts', known.id, { body: {} }, { ...caller, act: 'sign-anew' })
}

const ownSequence = ({ signingKey }: App, script: Script): number | undefined => {
  const manifest = manifestOf(script)
  return manifest?.key_id === signingKey.id ? manifest.sequence : undefined
}

const warn = ({ log }: App, script: string, problem: string) =>
  log.warn(
    { script, problem },
    `The operator's signature of ${script} is not used: ${problem} Sign it again with "npm run sign -- sign", or remove the files beside it. Meanwhile the server's own signature counts, or an earlier one of the operator's.`,
  )
