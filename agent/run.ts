import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { createBell } from './bell.ts'
import type { Context } from './context.ts'
import { deliver } from './delivery.ts'
import { AgentError, Revoked } from './errors.ts'
import { collectFacts, identityDifferences, machineIdentity } from './facts.ts'
import type { Guard } from './guard.ts'
import { heartbeat } from './heartbeat.ts'
import { openJournal } from './journal.ts'
import { takeLock } from './lock.ts'
import type { Log } from './log.ts'
import { openMachine } from './machine.ts'
import { openOperations } from './operations.ts'
import { pocketbaseTransport } from './pocketbase-transport.ts'
import type { PolicyPlace } from './policy.ts'
import { processesOn } from './process.ts'
import { detectProxmox } from './proxmox/detect.ts'
import { discovery, guestReader } from './proxmox/discovery.ts'
import { rebootMachine } from './reboot/machine.ts'
import { openRebootMemory } from './reboot/memory.ts'
import { openReboots } from './reboot/reboots.ts'
import { recoverJobs } from './recover.ts'
import { openSequences } from './sequences.ts'
import { openSession } from './session.ts'
import { Enrolment, ensureFolder, readJson, statePaths, writeJson } from './state.ts'
import type { Timings } from './timings.ts'
import { guardOf, openTrust, trustFacts } from './trust.ts'
import { version } from './version.ts'

export const TokenFile = z.object({ refresh_token: z.string().min(1) })
const PRUNE_MS = 86_400_000

export type RunOptions = {
  stateDir: string
  policy: PolicyPlace
  timings: Timings
  log: Log
  /** Where the file system starts that facts and metrics are read from. */
  root: string
  /** Asks the agent to stop. */
  stop: AbortSignal
}

/** The agent until it is asked to stop. Throws `Revoked` when the server sent it away. */
export const run = async ({
  stateDir,
  policy,
  timings,
  log,
  root,
  stop: asked,
}: RunOptions): Promise<void> => {
  const paths = statePaths(stateDir)
  const enrolment = readJson(paths.enrolment, Enrolment)
  if (!enrolment)
    throw new AgentError(
      `${stateDir} holds no enrolment; run "npm run agent -- register --server URL" first.`,
    )
  const differences = identityDifferences(enrolment, machineIdentity(root))
  if (differences.length > 0)
    throw new AgentError(
      `This is not the machine that was enrolled (${differences.join(' and ')} differ); ` +
        'a copied machine must be registered as its own: run "register" with --force.',
    )
  const trust = openTrust(policy, enrolment.signing_keys)
  const { keys, mode } = trust()
  ensureFolder(stateDir)
  const release = await takeLock(paths.locks)

  const revoked = new AbortController()
  const stop = AbortSignal.any([asked, revoked.signal])
  const anonymous = pocketbaseTransport({ origin: enrolment.server, timings })
  const session = openSession({
    load: () => {
      const token = readJson(paths.token, TokenFile)
      if (!token) throw new AgentError(`${paths.token} is missing; register the agent again with --force.`)
      return token.refresh_token
    },
    save: (refresh_token) => writeJson(paths.token, { refresh_token }),
    post: (path, body) => anonymous.request('POST', path, body),
    onRevoked: (error) => revoked.abort(error),
  })
  const instance = randomUUID()
  const transport = pocketbaseTransport({ origin: enrolment.server, timings, session, instance })
  const journal = openJournal(paths.jobs)
  const guard: Guard = {
    trust,
    policyFile: policy.file,
    host() {
      const { platform_family: family, os_version: osVersion, package_manager: manager } = collectFacts(root)
      return { family, osVersion, manager }
    },
    sequences: openSequences(paths.sequences),
  }
  const proxmox = detectProxmox(root)
  const scripts = processesOn(root)
  const context: Context = { transport, journal, scripts, guard, timings, log, stop, proxmox }
  const memory = openRebootMemory(paths.reboots)
  const prune = () => {
    for (const kept of [journal, memory]) kept.prune(Date.now())
  }
  prune()
  const pruning = setInterval(prune, PRUNE_MS)
  try {
    log.info('The agent runs.', {
      ...{ version, agent: enrolment.agent_id, server: enrolment.server },
      ...{ key: guardOf(keys) || 'none', policy: mode },
    })
    if (keys.length === 0)
      log.warn(
        'This agent trusts no key and will run nothing: register it again with --force, or name a key in its policy file.',
        { policy: policy.file },
      )
    const beaten = (at: Date) => writeJson(paths.heartbeat, { at: at.toISOString(), version })
    // It ends with `stop` by itself, and a beat under way need not be waited for.
    const machine = openMachine(root, log)
    const facts = trustFacts(trust, log)
    const read = async () => ({ ...(await machine.read()), ...facts() })
    void heartbeat(context, { ...machine, read }, beaten)
    if (proxmox) void discovery(context, proxmox, root)
    const bell = createBell()
    const operations = openOperations(context, bell, await recoverJobs(context))
    const { reported } = operations
    const reboots = openReboots(context, {
      machine: rebootMachine(root, guestReader(proxmox, root)),
      memory,
      reported,
    })
    await deliver(context, bell, [reboots, operations])
    if (stop.reason instanceof Revoked) throw stop.reason
    log.info('The agent has stopped.')
  } finally {
    clearInterval(pruning)
    await transport.close()
    release()
  }
}
