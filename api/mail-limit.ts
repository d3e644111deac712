import { rateLimit } from '../core/rate-limit.ts'

/** Enough for who looks into the wrong folder first, too few to be a nuisance. */
const MAILS_PER_ACCOUNT = 10
const MAILS_PER_PAIR = 5
const MAILS_SECONDS = 600
const CALLS_PER_ADDRESS = 300
const CALLS_SECONDS = 60
const NAME_LENGTH_MAX = 255

export type MailLimit = {
  /**
   * Counts one request for mail to an account; throws TooManyRequests. The account is what the caller says it is,
   * whether it exists or not, so that the limit tells nothing. From one address there are fewer than from all
   * together: one who asks in somebody's name does not keep him from asking.
   */
  spend(address: string, collection: string, account: string): Promise<void>
  /** Counts one call that brings a token from a mail; throws TooManyRequests. */
  visit(address: string): Promise<void>
}

/** One count for every kind of mail, on the API and on the pages. */
export function mailLimit(): MailLimit {
  const perAddress = rateLimit(CALLS_PER_ADDRESS, CALLS_SECONDS)
  const perPair = rateLimit(MAILS_PER_PAIR, MAILS_SECONDS)
  const perAccount = rateLimit(MAILS_PER_ACCOUNT, MAILS_SECONDS)
  return {
    async spend(address, collection, account) {
      await perAddress.spend(address)
      const name = `${collection} ${account.slice(0, NAME_LENGTH_MAX).toLowerCase()}`
      await perPair.spend(`${address} ${name}`)
      await perAccount.spend(name)
    },
    visit: (address) => perAddress.spend(address),
  }
}
