/** What a request of an agent is counted as in the report. */
export function callName(method: string, path: string, body?: Record<string, unknown>): string {
  if (path === '/api/agent') return body?.action === 'ingest-metrics' ? 'heartbeat' : String(body?.action)
  if (path.endsWith('/validate')) return 'validate'
  if (method === 'PATCH') return 'claim'
  return 'other'
}
