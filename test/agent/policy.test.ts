import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readPolicy } from '../../agent/policy.ts'
import { scriptKey } from '../support/script-key.ts'
import { HOUSE } from '../support/server-process.ts'

const isRoot = process.getuid?.() === 0
const STRANGER = 65534
const key = scriptKey()
if (!isRoot) console.warn('Left out: files of other users, which only root can make.')

/** A folder for a policy that goes away with the test. */
const place = () => {
  const top = mkdtempSync(join(tmpdir(), 'patchbase-policy-'))
  onTestFinished(() => rmSync(top, { recursive: true, force: true }))
  const folder = join(top, 'patchbase-agent')
  mkdirSync(folder, { mode: 0o755 })
  const at = (name: string) => join(folder, name)
  const write = (text: string, name = 'policy.json') => {
    writeFileSync(at(name), text)
    chmodSync(at(name), 0o644)
  }
  return { top, folder, at, file: at('policy.json'), write }
}
const read = (file: string, required = false) => readPolicy({ file, required })
const refused = (file: string, sentence: RegExp) => {
  expect(() => read(file)).toThrow(`The policy file ${file} cannot be used: `)
  expect(() => read(file)).toThrow(sentence)
  expect(() => read(file)).toThrow(/Nothing is run on this host until it is put right or removed\.$/)
}
const GOOD = '{"mode":"dry-run-only"}'

test('without a file everything is allowed, unless the command line names it', () => {
  const { file, top } = place()
  expect(read(file)).toEqual({ mode: 'full', keys: undefined, present: false })
  expect(read(join(top, 'nowhere', 'policy.json'))).toMatchObject({ mode: 'full' })
  expect(() => read(file, true)).toThrow(/it is not there/)
})

test('a mode and keys, as texts and as files', () => {
  const { write, file, at } = place()
  const other = scriptKey()
  write(other.pem, 'key.pem')
  write(JSON.stringify({ mode: 'observe-only', trusted_keys: [key.pem, at('key.pem')] }))
  const { mode, keys } = read(file)
  expect(mode).toBe('observe-only')
  expect(keys).toMatchObject([
    { id: key.id, kind: 'offline' },
    { id: other.id, kind: 'offline' },
  ])
  write(JSON.stringify({ trusted_keys: [key.pem] }))
  expect(read(file).mode).toBe('full')
  write('{"mode":"full"}')
  expect(read(file)).toEqual({ mode: 'full', keys: undefined, present: true })
})

const contents: [what: string, text: string, sentence: RegExp][] = [
  ['empty', '', /not JSON/],
  ['half', '{"mode":"observe-only"', /not JSON/],
  ['a list', '["observe-only"]', /its content/],
  ['null', 'null', /its content/],
  ['of an unknown mode', '{"mode":"dryrun"}', /mode: /],
  ['with an unknown key', '{"mode":"full","modes":"observe-only"}', /modes/],
  ['with no key where keys are named', '{"trusted_keys":[]}', /trusted_keys: /],
  ['with a key that is no text', '{"trusted_keys":[{}]}', /trusted_keys\.0: /],
  ['with a relative path', '{"trusted_keys":["key.pem"]}', /trusted_keys\.0 is neither/],
  ['with a key file that is missing', '{"trusted_keys":["/nowhere/key.pem"]}', /no file \/nowhere\/key\.pem/],
  [
    'with a broken key',
    JSON.stringify({ trusted_keys: ['-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'] }),
    /trusted_keys\.0 is no Ed25519 public key/,
  ],
  [
    'with a private key',
    JSON.stringify({ trusted_keys: [key.privatePem] }),
    /is a private key; keep it away/,
  ],
  ['too large', `{"mode":"full"${' '.repeat(70_000)}}`, /larger than 65536 bytes/],
]
test.each(contents)('%s: refused', (_what, text, sentence) => {
  const { write, file } = place()
  write(text)
  refused(file, sentence)
})

test('a file, a key or a folder that others can write is refused', () => {
  const { write, file, at, folder, top } = place()
  write(GOOD)
  for (const mode of [0o664, 0o646, 0o666]) {
    chmodSync(file, mode)
    refused(file, /policy\.json can be written by its group or by everybody; "chmod go-w /)
  }
  chmodSync(file, 0o600)
  expect(read(file).mode).toBe('dry-run-only')

  for (const mode of [0o775, 0o777, 0o1777]) {
    chmodSync(folder, mode)
    refused(file, /patchbase-agent can be written/)
  }
  // Who can take the file away could make it allow everything.
  rmSync(file)
  refused(file, /patchbase-agent can be written/)
  chmodSync(folder, 0o755)
  chmodSync(top, 0o777)
  refused(file, /patchbase-policy-\w+ can be written/)
  const link = join(tmpdir(), `${basename(top)}-link`)
  onTestFinished(() => rmSync(link))
  symlinkSync(folder, link)
  refused(join(link, 'policy.json'), /patchbase-policy-\w+ can be written/)
  chmodSync(top, 0o755)

  write(key.pem, 'key.pem')
  write(JSON.stringify({ trusted_keys: [at('key.pem')] }))
  chmodSync(at('key.pem'), 0o666)
  refused(file, /key\.pem can be written/)
})

test('links, pipes and folders are no policy', () => {
  const { write, file, at } = place()
  write(GOOD, 'real.json')
  symlinkSync(at('real.json'), file)
  refused(file, /is a symbolic link/)
  rmSync(file)
  symlinkSync('/nowhere', file)
  refused(file, /is a symbolic link/)
  rmSync(file)
  execFileSync('mkfifo', [file])
  refused(file, /no regular file/)
  rmSync(file)
  mkdirSync(file, { mode: 0o755 })
  refused(file, /no regular file/)
})

/** What an agent of this user makes of a policy. */
const readAs = (uid: number, file: string) => {
  const code = `import { readPolicy } from './agent/policy.ts'
    try { console.log(readPolicy({ file: ${JSON.stringify(file)}, required: false }).mode) }
    catch (error) { console.log(error.message) }`
  const argv = ['--input-type=module', '--eval', code]
  return execFileSync(process.execPath, argv, { uid, gid: uid, cwd: HOUSE, encoding: 'utf8' }).trim()
}

test.runIf(isRoot)('an agent that does not run as root takes a file of root, and its own', () => {
  const { write, file, folder, top } = place()
  for (const each of [top, folder]) chmodSync(each, 0o755)
  write(GOOD)
  expect(readAs(STRANGER, file)).toBe('dry-run-only')
  for (const each of [file, folder]) chownSync(each, STRANGER, STRANGER)
  expect(readAs(STRANGER, file)).toBe('dry-run-only')
  chownSync(file, STRANGER - 1, 0)
  expect(readAs(STRANGER, file)).toMatch(/it must belong to root, or to the user of the agent/)
  chmodSync(file, 0o600)
  expect(readAs(STRANGER, file)).toMatch(/cannot be read: EACCES/)
})

test.runIf(isRoot)('what belongs to somebody else is refused', () => {
  const { write, file, folder, top, at } = place()
  write('{"mode":"full"}')
  chownSync(file, STRANGER, 0)
  refused(file, /belongs to the user with id 65534; it must belong to root/)
  chownSync(file, 0, 0)
  expect(read(file).present).toBe(true)
  for (const each of [folder, top]) {
    chownSync(each, STRANGER, 0)
    refused(file, /belongs to the user with id 65534/)
    chownSync(each, 0, 0)
  }
  // A folder of his where only owners may exchange files: he owns all of it.
  chmodSync(top, 0o1777)
  expect(read(file).present).toBe(true)
  chownSync(top, STRANGER, 0)
  refused(file, /belongs to the user with id 65534/)
  chownSync(top, 0, 0)

  const link = join(top, 'link')
  symlinkSync(folder, link)
  expect(read(join(link, 'policy.json')).present).toBe(true)
  lchownSync(link, STRANGER, 0)
  refused(join(link, 'policy.json'), /link belongs to the user with id 65534/)
  rmSync(file)
  symlinkSync(at('mine.json'), file)
  lchownSync(file, STRANGER, 0)
  refused(file, /is a symbolic link/)
})
