import { randomBytes } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { z } from 'zod'
import { backoffMs, sleep } from './backoff.ts'
import { AgentError, HttpError, reasonOf } from './errors.ts'
import { collectFacts, machineIdentity } from './facts.ts'
import { pocketbaseTransport } from './pocketbase-transport.ts'
import { ensureFolder, readJson, statePaths, writeJson } from './state.ts'
import { backoffOf, type Timings } from './timings.ts'
import type { Transport } from './transport.ts'

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
  signing_keys: z.array(z.unknown()).nullish(),
})

export type RegisterOptions = {
  server: string
  stateDir: string
  /** Without one, a person approves a device code. */
  token?: string
  force: boolean
  timings: Timings
  root: string
  say: (line: string) => void
}

/** Enrols this machine and writes the state folder. Returns the agent's id. */
export const register = async (options: RegisterOptions): Promise<string> => {
  const { server, stateDir, token, force, timings, root, say } = options
  const paths = statePaths(stateDir)
  if (existsSync(paths.enrolment) && !force)
    throw new AgentError(`${stateDir} is enrolled already; add --force to enrol this machine anew.`)
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
  const body = { action: 'register', ...facts, ...proof, enrol_key: enrolling.enrol_key }
  const until = token ? Date.now() + timings.requestMs : (device?.expires_at ?? 0)
  const answer = await enrol(transport, { ...body, machine_id: identity.machine_id }, until, timings, say)
  writeJson(paths.token, { refresh_token: answer.refresh_token })
  writeJson(paths.enrolment, {
    server,
    agent_id: answer.agent_id,
    ...identity,
    signing_keys: answer.signing_keys ?? [],
    enrolled_at: new Date().toISOString(),
  })
  rmSync(paths.enrolling, { force: true })
  return answer.agent_id
}

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
