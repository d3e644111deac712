import { auditLog } from '../collections/audit-log.ts'
import { Forbidden } from '../core/errors.ts'
import { hooksFor } from '../core/hooks.ts'

const refuse = async () => {
  throw new Forbidden('The audit log is written by the server alone.')
}

/** Append-only, for superusers too: a log that its subjects can edit proves nothing. */
export default hooksFor(auditLog, { create: refuse, update: refuse, delete: refuse })
