import type { Transport } from '../../agent/transport.ts'
import type { Ledger } from './ledger.ts'

/** Writes into the ledger what an agent learns and achieves, and changes nothing. */
export const watchedTransport = (transport: Transport, ledger: Ledger): Transport => ({
  ...transport,

  async request(method, path, body) {
    const answer = await transport.request(method, path, body)
    const claimed = /^\/api\/collections\/patch_operations\/records\/(\w+)$/.exec(path)?.[1]
    if (method === 'PATCH' && claimed) ledger.reached('claimed', claimed)
    return answer
  },

  async list(collection, filter) {
    const records = await transport.list(collection, filter)
    for (const record of records) ledger.reached('listed', (record as { id: string }).id)
    return records
  },

  subscribe: (topics, { opened, rang }) =>
    transport.subscribe(topics, {
      opened,
      rang(event) {
        const { action, record } = event as { action: string; record: { id: string } }
        if (action === 'create') ledger.reached('heard', record.id)
        rang(event)
      },
    }),

  async upload(path, fields, files) {
    const answer = await transport.upload(path, fields, files)
    const reported = /^\/api\/patches\/(\w+)\/result$/.exec(path)?.[1]
    if (reported) ledger.reached('done', reported)
    return answer
  },
})
