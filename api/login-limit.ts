import { toText } from '../core/fields/text.ts'
import { rateLimit } from '../core/rate-limit.ts'

/** A person who mistypes gets through; a list of passwords does not. */
const TRIES_PER_ACCOUNT = 10
const TRIES_PER_ADDRESS = 300
const WINDOW_SECONDS = 60
/** No e-mail is longer; what a stranger makes us remember is. */
const IDENTITY_LENGTH_MAX = 255

export type LoginLimit = {
  /** Counts one try at an account from an address; throws TooManyRequests. Before the password is hashed: that is dear. */
  spend(address: string, collection: string, identity: unknown): Promise<void>
  /** The try was a good one: the account's count starts anew. */
  forget(address: string, collection: string, identity: unknown): Promise<void>
}

/** One count for every way to sign in with a password. */
export function loginLimit(): LoginLimit {
  const perAccount = rateLimit(TRIES_PER_ACCOUNT, WINDOW_SECONDS)
  const perAddress = rateLimit(TRIES_PER_ADDRESS, WINDOW_SECONDS)
  const keyOf = (address: string, collection: string, identity: unknown) =>
    `${address} ${collection} ${toText(identity).slice(0, IDENTITY_LENGTH_MAX)}`
  return {
    async spend(address, collection, identity) {
      await perAddress.spend(address)
      await perAccount.spend(keyOf(address, collection, identity))
    },
    forget: (address, collection, identity) => perAccount.forget(keyOf(address, collection, identity)),
  }
}
