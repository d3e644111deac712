import { connect } from '../db/connection.ts'
import type { OpenWire } from './doorbell.ts'

const CHANNEL = 'patchbase_changes'

/**
 * NOTIFY through the pool and LISTEN on a connection of its own, which the driver opens again after a loss. Not in
 * the transaction of the change: there it would make all writers wait for one another.
 */
export const listenOnPostgres: OpenWire = async ({ connection, database, log }, me, heard) => {
  const client = connect(connection, {
    max: 1,
    onnotice: () => undefined,
    connection: { application_name: 'patchbase-doorbell' },
  })
  let listening = false
  let failing = false
  await client.listen(
    CHANNEL,
    (sender) => {
      if (sender !== me) heard()
    },
    () => {
      // Whatever was rung meanwhile was not heard.
      if (listening) heard()
      if (listening) log.warn('The connection that hears of other servers was lost, and is back.')
      listening = true
    },
  )
  return {
    async send() {
      try {
        await database.run('select pg_notify($1, $2)', [CHANNEL, me])
        failing = false
      } catch (error) {
        if (!failing)
          log.warn({ err: error }, 'Other servers cannot be told of changes; they look each second.')
        failing = true
      }
    },
    end: () => client.end({ timeout: 1 }),
  }
}
