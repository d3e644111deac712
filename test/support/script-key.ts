import { createHash, generateKeyPairSync, sign } from 'node:crypto'

export type ScriptKey = ReturnType<typeof scriptKey>

/** A key that signs scripts, written down here once more from its definition, not from the agent's code. */
export const scriptKey = (kind: 'server' | 'offline' = 'server') => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)
  const id = createHash('sha256').update(raw).digest('hex').slice(0, 16)
  return {
    id,
    /** As the server's answer to `register` has it. */
    wire: { id, kind, public_key: raw.toString('base64') },
    pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    sign: (manifest: string, domain = 'patchbase-script-v1\0') =>
      sign(null, Buffer.from(domain + manifest), privateKey).toString('base64'),
  }
}

/** The stand-in server's own, which the agents of tests have pinned. */
export const standInKey = scriptKey()
