import { createDecoder, createSigner, createVerifier } from 'fast-jwt'
import { z } from 'zod'
import type { Collection, StoredRecord } from '../collection.ts'
import type { Secrets } from './secrets.ts'

/**
 * auth: who is asking. file: may open protected files. The others come by mail, and each proves one thing: that its
 * bearer reads the mail of the record's address (passwordReset, verification) or of the one it is to have (emailChange).
 */
const TYPES = ['auth', 'file', 'passwordReset', 'verification', 'emailChange'] as const
export type TokenType = (typeof TYPES)[number]

export const FILE_TOKEN_SECONDS = 180

const Claims = z.object({
  id: z.string(),
  collectionId: z.string(),
  type: z.enum(TYPES),
  exp: z.number(),
  refreshable: z.boolean().optional(),
  email: z.string().optional(),
  newEmail: z.string().optional(),
})
export type Claims = z.infer<typeof Claims>

/** What a token says beside whose it is. */
export type Told = Pick<Claims, 'refreshable' | 'email' | 'newEmail'>

export type Tokens = ReturnType<typeof createTokens>

/** Two e-mail addresses of the longest kind, and the rest. */
const LENGTH_MAX = 4000

const decode = createDecoder()

/**
 * JWTs as PocketBase's clients read them (HS256; `exp`, `id`, `collectionId`, `type`, `refreshable`). The key
 * is the record's own token key and the collection's secret, so a new password or a deleted record ends every
 * token made before.
 */
export function createTokens(secrets: Secrets, now: () => Date) {
  // What is mailed has keys of its own: a mistake about types is then a bad signature, too.
  const keyOf = (collection: Collection, record: StoredRecord, type: TokenType) => {
    if (!record.tokenKey) throw new Error(`${collection.name} ${record.id} has no token key.`)
    const purpose = type === 'auth' || type === 'file' ? '' : type
    return `${record.tokenKey}${secrets.of(collection.name)}${purpose}`
  }
  return {
    issue(
      collection: Collection,
      record: StoredRecord,
      type: TokenType,
      seconds: number,
      told: Told = {},
    ): string {
      const claims = {
        id: record.id,
        collectionId: collection.id,
        type,
        exp: Math.floor(now().getTime() / 1000) + seconds,
        ...(type === 'auth' && { refreshable: collection.auth?.refreshable ?? false }),
        ...told,
      }
      const key = keyOf(collection, record, type)
      return createSigner({ key, algorithm: 'HS256', noTimestamp: true })(claims)
    },

    /** What a token claims, before anything is believed of it; undefined when it is none. */
    peek(token: string): Claims | undefined {
      if (token.length > LENGTH_MAX) return undefined
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
        key: keyOf(collection, record, type),
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
