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
  /** Installed before the run; '' where nothing was. */
  was: string
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
    offers = matched(bind(rows, 'json'), bind(agent_id), bind(lxc_id))
    const values = [at, at, agent_id, user_id, lxc_id].map((value) => bind(value)).join(', ')
    return `insert into "agent_packages" as known ("id", "name", "arch", "current_version", "available_version",
        "repository", "security", "held", "excluded", "created", "updated", "agent_id", "user_id", "lxc_id", "seen_at")
      select ${OFFERED}, ${values}, ${bind(at)} from ${offers}, written where offer."is_known"
      order by offer."name", offer."arch"
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

const OFFERED = ['id', 'name', 'arch', 'current', 'available', 'repository', 'security', 'held', 'excluded']
  .map((column) => `offer."${column}"`)
  .join(', ')
const SET = ['updated', 'current_version', 'available_version', 'repository', 'security', 'held', 'excluded']

/**
 * The offers against what is known to be installed. Where there is an inventory it is the judge of that: a result says
 * otherwise only of what its run has upgraded, and where a package changes its architecture the row is the one it had.
 */
const matched = (rows: string, agentId: string, lxcId: string): string => `(
  select item."id", item."name", coalesce(same."arch", moved."arch", item."arch") as "arch",
    case when item."available" <> '' and host."counted" and same."id" is not null
      then same."current_version" else item."current" end as "current",
    item."available", item."repository", item."security", item."held", item."excluded",
    not host."counted" or same."id" is not null or moved."arch" is not null or item."available" = '' as "is_known"
  from (select *, count(*) over (partition by "name") as "times" from json_to_recordset(${rows}) as all_items(
      "id" text, "name" text, "arch" text, "was" text, "current" text, "available" text, "repository" text,
      "security" json, "held" boolean, "excluded" boolean)) item
  cross join (select ${lxcId} = '' and exists (
    select 1 from "agents" where "id" = ${agentId} and "packages_hash" <> '') as "counted") host
  left join "agent_packages" same on same."agent_id" = ${agentId} and same."lxc_id" = ${lxcId}
    and same."name" = item."name" and same."arch" = item."arch"
  left join lateral (
    select other."arch" from "agent_packages" other
    where host."counted" and same."id" is null and item."times" = 1
      and other."agent_id" = ${agentId} and other."lxc_id" = ${lxcId}
      and other."name" = item."name" and other."current_version" = item."was"
    order by other."arch" limit 1) moved on true) offer`

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
  was: entry.current_version ?? '',
  current: entry.current_version ?? '',
  available: entry.new_version,
  repository: entry.repository ?? '',
  security: entry.security,
  held: false,
  excluded: false,
})
