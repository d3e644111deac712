import type { Agent } from '../../collections/agents.ts'
import type { Executor } from '../../core/db/database.ts'
import { addSeconds, formatTime } from '../../core/time.ts'

/** After a week nobody knows any more whether a host is up to date. */
const EVIDENCE_SECONDS_MAX = 7 * 24 * 3600
/** In one turn. */
const FOUND_MAX = 1000

export type Outdated = Pick<Agent, 'id' | 'checked_at'>

/** Hosts whose evidence is too old, or from a time to come: a clock that has been set back since wrote that. */
export const agedEvidence = (database: Executor, now: Date): Promise<Outdated[]> =>
  database.run<Outdated>(
    `select "id", "checked_at" from "agents"
     where "compliance" <> 'unknown' and ("checked_at" < $1 or "checked_at" > $2) limit ${FOUND_MAX}`,
    [formatTime(addSeconds(now, -EVIDENCE_SECONDS_MAX)), formatTime(now)],
  )

/**
 * Hosts that are up to date but for what exceptions kept back, some of which do not hold any more: they have expired,
 * or were switched off, moved or deleted. The run that was the evidence is the one that began at `checked_at`.
 */
export const lapsedExceptions = (database: Executor, now: Date): Promise<Outdated[]> =>
  database.run<Outdated>(
    `select agent."id", agent."checked_at"
     from "agents" agent
     join "patch_operations" run on run."agent_id" = agent."id" and run."created" > $2 and run."lxc_id" = ''
       and run."started_at" = agent."checked_at" and run."status" = 'completed'
     where agent."compliance" = 'up_to_date'
       and exists (
         select 1 from json_array_elements_text(${arrayOf('run."exclusions"')}) kept(name)
         where not exists (
           select 1 from "package_exceptions" exception
           where exception."agent_id" = agent."id" and exception."lxc_id" = '' and exception."is_active"
             and exception."package_name" = kept.name
             and (exception."expires_at" = '' or exception."expires_at" > $1)))
       and json_array_length(${arrayOf(`run."result" -> 'excluded'`)}) > 0
     limit ${FOUND_MAX}`,
    [formatTime(now), createdSince(now)],
  )

/**
 * Hosts that are up to date but for what exceptions kept back, where nobody can say any more which: the run that was
 * the evidence is deleted.
 */
export const orphanedEvidence = (database: Executor, now: Date): Promise<Outdated[]> =>
  database.run<Outdated>(
    // Materialized: few have lost their run, and to look through the packages of all takes long.
    `with orphan as materialized (
       select agent."id", agent."checked_at" from "agents" agent
       where agent."compliance" = 'up_to_date' and not exists (
         select 1 from "patch_operations" run where run."agent_id" = agent."id" and run."created" > $1
           and run."lxc_id" = '' and run."started_at" = agent."checked_at"))
     select * from orphan
     where exists (select 1 from "agent_packages" kept
       where kept."agent_id" = orphan."id" and kept."lxc_id" = '' and kept."excluded")
     limit ${FOUND_MAX}`,
    [createdSince(now)],
  )

/** Asked for within the time that evidence holds, or a day before. */
const createdSince = (now: Date) => formatTime(addSeconds(now, -EVIDENCE_SECONDS_MAX - 24 * 3600))

/** Of what is no array PostgreSQL would say so, and the whole statement would fail. */
const arrayOf = (json: string) => `case json_typeof(${json}) when 'array' then ${json} end`
