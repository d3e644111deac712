import type { PatchOperation } from '../../collections/patch-operations.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { newId } from '../../core/id.ts'
import { formatTime } from '../../core/time.ts'
import type { Finding } from '../operations/evidence.ts'
import type { Result } from '../operations/result.ts'
import type { ResultPackage } from '../operations/result-package.ts'

/** A row of `agent_packages` as a result has it. */
type Offer = {
  id: string
  name: string
  arch: string
  current: string
  available: string
  repository: string
  security: boolean | null
  held: boolean
  excluded: boolean
}

/**
 * Writes into `agent_packages` what a run found to be offered, and what it upgraded, in the statement that stores its
 * report. What is offered is known only from a run that asked every repository for everything; it also says that
 * nothing is offered for what it does not list.
 */
export function alsoOffer(event: WriteEvent<PatchOperation>, finding: Finding, result: Result): void {
  const isWhole = finding.kind === 'evidence' && finding.scope === 'all'
  const rows = offersOf(result, isWhole)
  if (rows.length === 0 && !isWhole) return
  const { agent_id, user_id, lxc_id } = event.record
  const at = formatTime(event.now)
  let offers = ''
  event.also((bind) => {
    offers = `json_to_recordset(${bind(rows, 'json')}) as offer("id" text, "name" text, "arch" text, "current" text,
      "available" text, "repository" text, "security" json, "held" boolean, "excluded" boolean)`
    const values = [at, at, agent_id, user_id, lxc_id].map((value) => bind(value)).join(', ')
    return `insert into "agent_packages" ("id", "name", "arch", "current_version", "available_version", "repository",
        "security", "held", "excluded", "created", "updated", "agent_id", "user_id", "lxc_id", "seen_at")
      select offer.*, ${values}, ${bind(at)} from ${offers}, written order by offer."name", offer."arch"
      on conflict ("agent_id", "lxc_id", "name", "arch") do update set
        ${SET.map((column) => `"${column}" = excluded."${column}"`).join(', ')}`
  })
  if (!isWhole) return
  // Whether a package is held stays: not every manager offers what is held.
  event.also(
    (bind) => `update "agent_packages" as known
      set "available_version" = '', "repository" = '', "security" = null, "excluded" = false, "updated" = ${bind(at)}
      from written
      where known."agent_id" = ${bind(agent_id)} and known."lxc_id" = ${bind(lxc_id)}
        and (known."available_version" <> '' or known."excluded")
        and not exists (select 1 from ${offers} where offer."name" = known."name" and offer."arch" = known."arch")`,
  )
}

const SET = ['updated', 'current_version', 'available_version', 'repository', 'security', 'held', 'excluded']

/** One for each package: what was upgraded is not offered any more, and what is not installed has no row. */
function offersOf(result: Result, isWhole: boolean): Offer[] {
  const offers = new Map<string, Offer>()
  const add = (entry: ResultPackage, change: Partial<Offer>) => {
    const offer = { ...offerOf(entry), ...change }
    const key = `${offer.name} ${offer.arch}`
    const known = offers.get(key)
    if (known)
      Object.assign(known, { held: known.held || offer.held, excluded: known.excluded || offer.excluded })
    else if (offer.current !== '') offers.set(key, offer)
  }
  for (const entry of result.upgraded)
    add(entry, { current: entry.new_version, available: '', repository: '', security: null })
  if (!isWhole) return [...offers.values()]
  for (const entry of result.packages) add(entry, {})
  for (const entry of result.held) add(entry, { held: true })
  for (const entry of result.excluded) add(entry, { excluded: true })
  return [...offers.values()]
}

const offerOf = ({ arch, ...entry }: ResultPackage): Offer => ({
  id: newId(),
  // Where several architectures are installed the name may carry its own.
  name:
    arch !== '' && entry.package.endsWith(`:${arch}`)
      ? entry.package.slice(0, -arch.length - 1)
      : entry.package,
  arch,
  current: entry.current_version ?? '',
  available: entry.new_version,
  repository: entry.repository ?? '',
  security: entry.security,
  held: false,
  excluded: false,
})
