import { misfitOf, parseManifest, SCRIPT_DOMAIN } from '../../collections/parts/script-manifest.ts'
import type { Script } from '../../collections/scripts.ts'
import { BadRequest, type FieldErrors } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { failed } from '../../core/records/validate.ts'
import { isSignature, isSignedBy } from '../../core/signing/signed-text.ts'
import { manifestOf } from './manifest-of.ts'
import { sameScripts } from './same-scripts.ts'
import { factsOf } from './server-signature.ts'

type Judged = Pick<WriteEvent<Script>, 'app' | 'database' | 'record' | 'before' | 'action'>

/**
 * Refuses a manifest and signature that cannot be this script's. Only the server's own key can be checked here: whose
 * the others are is known to the hosts alone.
 */
export async function checkSignature({ app, database, record, before, action }: Judged): Promise<void> {
  const refuse = (field: 'manifest' | 'signature', message: string, code = 'validation_invalid_value') => {
    const errors: FieldErrors = { [field]: { code, message } }
    return new BadRequest(failed(action === 'update' ? 'update' : 'create'), errors)
  }
  const { manifest: text, signature } = record
  if (text === '' || signature === '') {
    const field = text === '' ? 'manifest' : 'signature'
    throw refuse(
      field,
      'A manifest and its signature come together; make both with "npm run sign -- sign".',
      'validation_required',
    )
  }
  const parsed = parseManifest(text)
  if ('problem' in parsed) throw refuse('manifest', `The manifest ${parsed.problem}.`)
  const { manifest } = parsed
  const misfit = misfitOf(manifest, factsOf(record))
  if (misfit) throw refuse('manifest', `The manifest is of another script: it ${misfit}.`)
  if (!isSignature(signature))
    throw refuse('signature', 'The signature must be base64 of the 64 bytes of an Ed25519 signature.')
  const isOwn = manifest.key_id === app.signingKey.id
  if (isOwn && !isSignedBy(SCRIPT_DOMAIN, text, signature, app.signingKey))
    throw refuse('signature', "The manifest names the server's own key, which has not signed it.")

  const others = (await sameScripts(database, record)).filter(({ id }) => id !== record.id)
  for (const other of action === 'update' ? [...others, before] : others) {
    const theirs = manifestOf(other)
    if (theirs?.key_id !== manifest.key_id) continue
    const isNewer = manifest.sequence > theirs.sequence
    // Hosts take one sequence for one version.
    const isTheSame = manifest.sequence === theirs.sequence && other.sha256 === record.sha256
    if (isNewer || (isTheSame && other !== before)) continue
    throw refuse(
      'manifest',
      `The manifest has sequence ${manifest.sequence}, and script ${other.id} has ${theirs.sequence}: hosts would take this one for older. Sign it again with "npm run sign -- sign".`,
    )
  }
}
