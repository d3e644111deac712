import { randomBytes } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { z } from 'zod'
import { backoffMs, sleep } from './backoff.ts'
import { AgentError, HttpError, reasonOf } from './errors.ts'
import { collectFacts, machineIdentity } from './facts.ts'
import { KEYS_MAX, keyFromRaw, type StoredKey, storedKey, type TrustedKey } from './keys.ts'
import { pocketbaseTransport } from './pocketbase-transport.ts'
import { type PolicyPlace, readPolicy } from './policy.ts'
import { Enrolment, ensureFolder, readJson, statePaths, writeJson } from './state.ts'
import { backoffOf, type Timings } from './timings.ts'
import type { Transport } from './transport.ts'
import { keyLines, openTrust } from './trust.ts'

const DeviceCode = z.object({
  device_code: z.string(),
  user_code: z.string(),
  verification_uri: z.string(),
  expires_at: z.number(),
})
/** On the disk before the first request that may create an agent: the same key gets the same agent again. */
const Enrolling = z.object({ server: z.string(), enrol_key: z.string(), device: DeviceCode.optional() })
type Enrolling = z.infer<typeof Enrolling>

const Started = DeviceCode.omit({ expires_at: true }).extend({ expires_in: z.number().positive() })
const Registered = z.object({
  refresh_token: z.string().min(1),
  agent_id: z.string().min(1),
  signing_keys: z
    .array(z.object({ public_key: z.string() }))
    .max(KEYS_MAX)
    .nullish(),
})

export type RegisterOptions = {
  server: string
  stateDir: string
  /** Without one, a person approves a device code. */
  token?: string
  /**
   * Of an operator. With any, the server's own keys are not accepted; without, those of an earlier registration
   * still count.
   */
  trustedKeys: TrustedKey[]
  policy: PolicyPlace
  force: boolean
  timings: Timings
  root: string
  say: (line: string) => void
}

/** Enrols this machine and writes the state folder. Returns the agent's id. */
export const register = async (options: RegisterOptions): Promise<string> => {
  const { server, stateDir, token, trustedKeys, policy, force, timings, root, say } = options
  const paths = statePaths(stateDir)
  if (existsSync(paths.enrolment) && !force)
    throw new AgentError(`${stateDir} is enrolled already; add --force to enrol this machine anew.`)
  const offlineKeys = trustedKeys.length > 0 ? trustedKeys.map(storedKey) : earlierKeys(paths.enrolment)
  const local = readPolicy(policy)
  ensureFolder(stateDir)
  const transport = pocketbaseTransport({ origin: server, timings })
  const facts = collectFacts(root)
  const identity = machineIdentity(root)

  const left = readJson(paths.enrolling, Enrolling)
  let enrolling: Enrolling =
    left?.server === server ? left : { server, enrol_key: randomBytes(32).toString('base64url') }
  if (!token && (enrolling.device?.expires_at ?? 0) <= Date.now())
    enrolling = { ...enrolling, device: await startDevice(transport, facts.hostname) }
  writeJson(paths.enrolling, enrolling)

  const { device } = enrolling
  const proof = token ? { enrolment_token: token } : { device_code: device?.device_code }
  if (!token && device) {
    say(`Open ${device.verification_uri}`)
    say(`and approve the code ${device.user_code}. Waiting for it ...`)
  }
  // Without an offline key it will be the server's, which comes with the answer; each heartbeat says it again.
  const key_guard = offlineKeys.length > 0 || local.keys ? 'offline' : 'server'
  const guards = { key_guard, policy_mode: local.mode }
  const body = { action: 'register', ...facts, ...guards, ...proof, enrol_key: enrolling.enrol_key }
  const until = token ? Date.now() + timings.requestMs : (device?.expires_at ?? 0)
  const answer = await enrol(transport, { ...body, machine_id: identity.machine_id }, until, timings, say)
  // Offline is what was named here alone, whatever the server calls its keys.
  const signing_keys = [...offlineKeys, ...serverKeys(answer.signing_keys ?? [])]
  for (const line of keyLines(openTrust(policy, signing_keys)().keys))
    say(`Scripts are checked against ${line}.`)
  writeJson(paths.token, { refresh_token: answer.refresh_token })
  writeJson(paths.enrolment, {
    server,
    agent_id: answer.agent_id,
    ...identity,
    signing_keys,
    enrolled_at: new Date().toISOString(),
  })
  rmSync(paths.enrolling, { force: true })
  return answer.agent_id
}

/** Whoever registers a host anew does not mean to hand it to its server. */
const earlierKeys = (file: string): StoredKey[] => {
  try {
    return (readJson(file, Enrolment)?.signing_keys ?? []).filter(({ kind }) => kind === 'offline')
  } catch (error) {
    throw new AgentError(`${reasonOf(error)} Name its offline key with --trusted-key, or remove the file.`)
  }
}

export const serverKeys = (answered: readonly { public_key: string }[]): StoredKey[] =>
  answered.map(({ public_key }, at) =>
    storedKey(keyFromRaw(public_key, 'server', `The server's signing key ${at + 1}`)),
  )

const startDevice = async (transport: Transport, hostname: string) => {
  const { data } = await transport.request('POST', '/api/agent', { action: 'device-auth-start', hostname })
  const { expires_in, ...codes } = Started.parse(data)
  return { ...codes, expires_at: Date.now() + expires_in * 1000 }
}

/** Sends `register` until it is approved and answered, or the moment `until` has come. */
export const enrol = async (
  transport: Transport,
  body: Record<string, unknown>,
  until: number,
  timings: Timings,
  say: (line: string) => void,
) => {
  for (let failures = 0; ; ) {
    let waitMs = timings.pollMs
    try {
      return Registered.parse((await transport.request('POST', '/api/agent', body)).data)
    } catch (error) {
      if (!(error instanceof HttpError)) throw error
      const waiting = error.status === 400 && /not authorized yet/i.test(reasonOf(error))
      if (!waiting && !error.passing)
        throw new AgentError(`The server refused the enrolment: ${reasonOf(error)}`)
      if (!waiting) {
        waitMs = backoffMs(failures++, backoffOf(timings))
        say(`The server did not answer (${reasonOf(error)}); asking again.`)
      }
    }
    if (Date.now() + waitMs >= until)
      throw new AgentError('The enrolment was not completed in time; run "register" again.')
    await sleep(waitMs)
  }
}
