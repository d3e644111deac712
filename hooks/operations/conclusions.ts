import { type Agent, agents } from '../../collections/agents.ts'
import type { PatchOperation } from '../../collections/patch-operations.ts'
import type { StoredRecord } from '../../core/collection.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { alsoUpdate } from '../../core/records/also-update.ts'
import { readVersion } from '../../core/records/read.ts'
import { formatTime } from '../../core/time.ts'
import { alsoOffer } from '../agent-packages/offered.ts'
import { complianceAfter, rebootAfter } from './compliance.ts'
import { type Finding, findingOf, type Told } from './evidence.ts'
import { isOvertaken } from './latest-word.ts'

/**
 * Draws from a report what the target is now, in the statement that stores the report. Of a container that is its
 * packages; a host has its compliance and whether it must be rebooted besides. What a later run has said stands.
 */
export async function drawConclusions(event: WriteEvent<PatchOperation>, told: Told): Promise<void> {
  const { database, record: operation, now } = event
  const finding = findingOf(operation, told)
  if (finding.kind === 'nothing') return
  const found = await readVersion(database, agents, operation.agent_id)
  // The write then finds the operation gone with its agent.
  if (!found) return
  const agent = found.record as StoredRecord & Agent
  const isHost = operation.lxc_id === ''
  const isLate =
    (isHost && hasNewerEvidence(agent, operation, now)) || (await isOvertaken(database, operation, now))
  // Of a container nothing is changed, but reports of one target wait for each other, and for their agent's end.
  alsoUpdate(event, agents, found, isHost && !isLate ? changesOf(agent, operation, finding, told) : {})
  if (!isLate && told.read && operation.outcome !== 'rolled_back') alsoOffer(event, finding, told.read.result)
}

/** Nobody knows how far an update of a host has come: what was known of the host is not known any more. */
export async function doubt(event: WriteEvent<PatchOperation>): Promise<void> {
  const { database, record: operation } = event
  if (operation.mode !== 'apply' || operation.lxc_id !== '') return
  const found = await readVersion(database, agents, operation.agent_id)
  if (found) alsoUpdate(event, agents, found, { compliance: 'unknown' })
}

/** Also where the operation that brought it was deleted. What a clock that was wrong has written is none. */
const hasNewerEvidence = ({ checked_at }: Agent, { started_at }: PatchOperation, now: Date): boolean =>
  checked_at > started_at && checked_at <= formatTime(now)

const changesOf = (agent: Agent, operation: PatchOperation, finding: Finding, { read, bootId }: Told) => ({
  ...complianceAfter(agent, operation, finding),
  ...rebootAfter(agent, read, bootId),
})
