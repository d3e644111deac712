import { createDecoder, createSigner, createVerifier } from 'fast-jwt'
import { z } from 'zod'
import type { Collection, StoredRecord } from '../collection.ts'
import type { Secrets } from './secrets.ts'

/** auth: who is asking; file: may open protected files, and nothing else. */
export type TokenType = 'auth' | 'file'

export const FILE_TOKEN_SECONDS = 180

const Claims = z.object({
  id: z.string(),
  collectionId: z.string(),
  type: z.enum(['auth', 'file']),
  exp: z.number(),
  refreshable: z.boolean().optional(),
})
export type Claims = z.infer<typeof Claims>

export type Tokens = ReturnType<typeof createTokens>

const decode = createDecoder()

/**
 * JWTs as PocketBase's clients read them (HS256; `exp`, `id`, `collectionId`, `type`, `refreshable`). The key
 * is the record's own token key and the collection's secret, so a new password or a deleted record ends every
 * token made before.
 */
export function createTokens(secrets: Secrets, now: () => Date) {
  const keyOf = (collection: Collection, record: StoredRecord) => {
    if (!record.tokenKey) throw new Error(`${collection.name} ${record.id} has no token key.`)
    return `${record.tokenKey}${secrets.of(collection.name)}`
  }
  return {
    issue(collection: Collection, record: StoredRecord, type: TokenType, seconds: number): string {
      const claims = {
        id: record.id,
        collectionId: collection.id,
        type,
        exp: Math.floor(now().getTime() / 1000) + seconds,
        ...(type === 'auth' && { refreshable: collection.auth?.refreshable ?? false }),
      }
      return createSigner({ key: keyOf(collection, record), algorithm: 'HS256', noTimestamp: true })(claims)
    },

    /** What a token claims, before anything is believed of it; undefined when it is none. */
    peek(token: string): Claims | undefined {
      if (token.length > 2000) return undefined
      try {
        return Claims.safeParse(decode(token)).data
      } catch {
        // A malformed token makes a guest, not an error.
        return undefined
      }
    },

    /** Signature, algorithm, type and age are right for this very record. */
    verify(token: string, type: TokenType, collection: Collection, record: StoredRecord): boolean {
      const clockTimestamp = now().getTime()
      const verifier = createVerifier({
        key: keyOf(collection, record),
        algorithms: ['HS256'],
        clockTimestamp,
      })
      try {
        const claims = Claims.safeParse(verifier(token)).data
        return claims?.type === type && claims.id === record.id && claims.collectionId === collection.id
      } catch {
        // Bad signature, other algorithm, expired: all the same to the caller.
        return false
      }
    },
  }
}
