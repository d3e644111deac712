import { z } from 'zod'
import type { Context } from './context.ts'
import { HttpError, reasonOf } from './errors.ts'
import type { Inventory } from './inventory.ts'

const Taken = z.object({ dropped: z.number().catch(0) }).catch({ dropped: 0 })

/**
 * Sends an inventory that the server has asked for, one at a time. One that it refuses is not sent again until
 * something has changed; after any other failure it asks again by itself.
 */
export const inventoryReports = ({ transport, log }: Pick<Context, 'transport' | 'log'>) => {
  let sending = false
  let refused = ''
  return async ({ hash, packages }: Inventory): Promise<void> => {
    if (sending || hash === refused) return
    sending = true
    try {
      const { data } = await transport.request('POST', '/api/agent', {
        action: 'report-packages',
        hash,
        packages,
      })
      const { dropped } = Taken.parse(data)
      log.info('The server has the list of installed packages.', { packages: packages.length, dropped })
    } catch (error) {
      if (error instanceof HttpError && !error.passing && error.status !== 401) refused = hash
      log.warn('The list of installed packages did not arrive.', { reason: reasonOf(error) })
    } finally {
      sending = false
    }
  }
}
