import type { Script } from '../../collections/scripts.ts'
import type { App } from '../../core/app.ts'
import { BadRequest } from '../../core/errors.ts'
import type { Caller } from '../../core/records/actor.ts'
import type { SignedText } from '../../core/signing/signed-text.ts'
import { pairBeside } from './pair-beside.ts'

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

/** Where the operator has signed a script that is stored already, or signed it again. */
export async function updatePair(
  app: App,
  known: Script,
  path: string,
  pair: SignedText | undefined,
  caller: Caller,
): Promise<void> {
  if (!pair || (pair.manifest === known.manifest && pair.signature === known.signature)) return
  await withPair(app, path, pair, async (signed) => {
    if (signed) await app.records.update('scripts', known.id, { body: signed }, caller)
  })
}

const warn = ({ log }: App, script: string, problem: string) =>
  log.warn(
    { script, problem },
    `The operator's signature of ${script} is not used: ${problem} Sign it again with "npm run sign -- sign", or remove the files beside it. Meanwhile the server's own signature counts, or an earlier one of the operator's.`,
  )
