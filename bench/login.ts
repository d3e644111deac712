import type { Benchmark } from './compare.ts'
import { requestBytes } from './connection.ts'
import { EMAIL, PASSWORD } from './contestant.ts'
import { load } from './load.ts'

const SECONDS = 2
/** More would only wait: a sign-in is a password hash, and those are slow on purpose. */
const CLIENTS = 4

let round = 0

export const login: Benchmark = {
  title: 'sign in by password, which is a hash (ours argon2id of 19 MiB, theirs bcrypt of cost 10)',
  rows: {
    rate: { label: 'sign-ins per second', better: 'more' },
    cpu: { label: 'server CPU per sign-in, ms', better: 'less' },
  },
  measure(contestant) {
    const body = { identity: EMAIL, password: PASSWORD }
    const request = requestBytes('POST', '/api/collections/users/auth-with-password', '', body)
    // From another address each time, as sign-ins of one are limited.
    const from = `127.0.1.${1 + (round++ % 250)}`
    return load(contestant, { seconds: SECONDS, clients: CLIENTS, from }, () => request)
  },
}
