import { connect } from '../db/connection.ts'
import type { OpenWire } from './doorbell.ts'

const CHANNEL = 'patchbase_changes'
const LISTENER = 'patchbase-doorbell'
/** How long it is taken for known whether anybody else listens. */
const KNOWN_MS = 500

/**
 * NOTIFY through the pool and LISTEN on a connection of its own, which the driver opens again after a loss. Not in
 * the transaction of the change: there it would make all writers wait for one another.
 */
export const listenOnPostgres: OpenWire = async ({ connection, database, log }, me, heard) => {
  const client = connect(connection, {
    max: 1,
    onnotice: () => undefined,
    connection: { application_name: LISTENER },
  })
  let listening = false
  let failing = false
  let others = false
  let counted = 0
  const count = async () => {
    counted = Date.now()
    const [row] = await database.run<{ listeners: number }>(
      `select count(*)::int as listeners from pg_stat_activity
       where application_name = $1 and datname = current_database()`,
      [LISTENER],
    )
    others = row !== undefined && row.listeners > 1
  }
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
        if (Math.abs(Date.now() - counted) > KNOWN_MS) await count()
        return others
      } catch (error) {
        if (!failing)
          log.warn({ err: error }, 'Other servers cannot be told of changes; they look each second.')
        failing = true
        return false
      }
    },
    end: () => client.end({ timeout: 1 }),
  }
}
