import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { tempFolder } from '../support/embedded.ts'
import { type ProgramOptions, startProgram } from '../support/server-process.ts'

let folder: string
let script: string
const at = (...names: string[]) => join(folder, ...names)
const read = (...names: string[]) => readFileSync(at(...names), 'utf8')

const sign = async (args: string[], options: ProgramOptions = {}) => {
  const program = startProgram('cli/sign.ts', args, options)
  const code = await program.exited
  return { code, stdout: program.stdout, stderr: program.stderr }
}
const keygen = async (name = 'operator.key') => {
  await sign(['keygen', '--out', at(name)])
  return at(name)
}
const manifest = (name = 'scripts/debian/apt-update.sh') => JSON.parse(read(`${name}.manifest`))

beforeEach(() => {
  folder = tempFolder()
  for (const family of ['debian', 'rhel']) mkdirSync(at('scripts', family), { recursive: true })
  script = at('scripts', 'debian', 'apt-update.sh')
  writeFileSync(script, "#!/bin/bash\nreadonly SCRIPT_NAME='x' SCRIPT_VERSION='1.2.3'\n")
  writeFileSync(at('scripts', 'rhel', 'dnf-update.sh'), '#!/bin/bash\n')
  writeFileSync(at('scripts', 'common.sh'), 'not a script of its own\n')
})

describe('keygen', () => {
  it('makes a private key for its owner alone, and never replaces one', async () => {
    const made = await sign(['keygen', '--out', at('operator.key')])
    expect(made).toMatchObject({ code: 0, stderr: '' })
    expect(statSync(at('operator.key')).mode & 0o777).toBe(0o600)
    expect(read('operator.key')).toMatch(/^-----BEGIN PRIVATE KEY-----\n/)
    expect(read('operator.key.pub')).toMatch(/^-----BEGIN PUBLIC KEY-----\n/)
    expect(made.stdout).not.toContain(read('operator.key').split('\n')[1])
    const before = [read('operator.key'), read('operator.key.pub')]
    const again = await sign(['keygen', '--out', at('operator.key')])
    expect(again.code).toBe(1)
    expect(again.stderr).toMatch(/operator\.key exists, .*--out/)
    expect([read('operator.key'), read('operator.key.pub')]).toEqual(before)
  })

  it('leaves no half of a key behind', async () => {
    writeFileSync(at('operator.key.pub'), 'of somebody')
    expect(await sign(['keygen', '--out', at('operator.key')])).toMatchObject({ code: 1, stdout: '' })
    expect(existsSync(at('operator.key'))).toBe(false)
    expect(read('operator.key.pub')).toBe('of somebody')
  })
})

describe('sign', () => {
  it('says of each script of the family folders all that a host must know, and nothing of others', async () => {
    const key = await keygen()
    const before = Math.floor(Date.now() / 1000)
    expect(await sign(['sign', '--key', key, at('scripts')])).toMatchObject({ code: 0, stderr: '' })
    const content = readFileSync(script)
    const about = manifest()
    expect(about).toEqual({
      name: 'apt-update.sh',
      family: 'debian',
      os_version: '',
      version: '1.2.3',
      sequence: expect.any(Number),
      size: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
      key_id: expect.stringMatching(/^[0-9a-f]{16}$/),
      created: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    })
    expect(about.sequence).toBeGreaterThanOrEqual(before)
    expect(manifest('scripts/rhel/dnf-update.sh')).toMatchObject({ family: 'rhel', version: '' })
    expect(existsSync(at('scripts', 'common.sh.manifest'))).toBe(false)
    expect(await sign(['verify', '--key', `${key}.pub`, at('scripts')])).toMatchObject({
      code: 0,
      stdout: `${script}: ok\n${at('scripts', 'rhel', 'dnf-update.sh')}: ok\n`,
    })
  })

  it('signs what openssl verifies, over the domain and a zero byte', async () => {
    const key = await keygen()
    await sign(['sign', '--key', key, script])
    writeFileSync(at('message'), `patchbase-script-v1\0${read('scripts/debian/apt-update.sh.manifest')}`)
    writeFileSync(at('raw'), Buffer.from(read('scripts/debian/apt-update.sh.sig'), 'base64'))
    const args = ['pkeyutl', '-verify', '-rawin', '-pubin', '-inkey', `${key}.pub`, '-in', at('message')]
    expect(String(execFileSync('openssl', [...args, '-sigfile', at('raw')]))).toContain('Verified')
  })

  it('grows the sequence at every turn, whatever the clock says', async () => {
    const key = await keygen()
    await sign(['sign', '--key', key, script])
    const first = manifest().sequence
    await sign(['sign', '--key', key, script])
    expect(manifest().sequence).toBeGreaterThan(first)
    const far = { ...manifest(), sequence: 9_000_000_000 }
    writeFileSync(`${script}.manifest`, JSON.stringify(far))
    await sign(['sign', '--key', key, script])
    expect(manifest().sequence).toBe(9_000_000_001)
    writeFileSync(`${script}.manifest`, 'broken')
    const refused = await sign(['sign', '--key', key, script])
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toMatch(/apt-update\.sh\.manifest is not JSON, .* remove the file/)
  })

  it('writes into no file that a link beside the script names, and takes no name that hides what it is', async () => {
    const key = await keygen()
    writeFileSync(at('precious'), 'of somebody')
    for (const ending of ['manifest.new', 'sig.new', 'sig'])
      symlinkSync(at('precious'), `${script}.${ending}`)
    expect(await sign(['sign', '--key', key, script])).toMatchObject({ code: 0 })
    expect(read('precious')).toBe('of somebody')
    expect(lstatSync(`${script}.sig`).isFile()).toBe(true)
    expect(await sign(['verify', '--key', `${key}.pub`, script])).toMatchObject({ code: 0 })
    writeFileSync(at('scripts', 'debian', 'x: ok\n\u001b[2Ky.sh'), '#!/bin/bash\n')
    for (const args of [
      ['sign', '--key', key, at('scripts')],
      ['verify', '--key', `${key}.pub`, at('scripts')],
    ]) {
      const refused = await sign(args)
      expect(refused).toMatchObject({ code: 1, stdout: '' })
      expect(refused.stderr).toMatch(/"x: ok\\n\\u001b\[2Ky\.sh"; rename it/)
    }
  })

  it('takes a version of the family, a family by name, and a key with a passphrase', async () => {
    const key = await keygen()
    const single = at('single.sh')
    writeFileSync(single, 'true\n')
    expect((await sign(['sign', '--key', key, single])).stderr).toMatch(/names no family; add --family/)
    const args = ['sign', '--key', key, '--family', 'suse', '--os-version', '15.6', single]
    expect(await sign(args)).toMatchObject({ code: 0 })
    expect(manifest('single.sh')).toMatchObject({ name: 'single.sh', family: 'suse', os_version: '15.6' })
    expect(await sign(['verify', '--key', `${key}.pub`, '--family', 'suse', single])).toMatchObject({
      code: 0,
    })

    const lock = ['pkey', '-in', key, '-aes256', '-passout', 'pass:open sesame', '-out', at('locked.key')]
    execFileSync('openssl', lock)
    const locked = ['sign', '--key', at('locked.key'), script]
    expect(await sign(locked, { input: 'open sesame\n' })).toMatchObject({ code: 0, stderr: '' })
    expect((await sign(locked, { input: 'wrong\n' })).stderr).toMatch(/does not open with this passphrase/)
  })

  it.each([
    [[], /commands are keygen, sign and verify/],
    [['frobnicate'], /commands are keygen, sign and verify/],
    [['sign'], /sign needs --key FILE/],
    [['verify'], /verify needs --key FILE/],
    [['sign', '--key', 'missing.key'], /--key missing\.key cannot be read .*keygen/],
    [['sign', '--key', 'KEY', '--family', 'beos'], /--family "beos" is none of debian/],
    [['sign', '--key', 'KEY', '--os-version', ''], /--os-version takes a version such as 12/],
    [['sign', '--key', 'KEY', '--os-version', '1 2'], /--os-version takes a version such as 12/],
    [['sign', '--key', 'KEY', 'nowhere.sh'], /nowhere\.sh cannot be read/],
    [['sign', '--key', 'KEY', '--out', 'x'], /sign takes no --out/],
    [['verify', '--key', 'KEY.pub', '--os-version', '12'], /verify takes no --os-version/],
    [['keygen', 'operator.key'], /keygen takes no PATH; .*--out/],
    [['sign', '--key', 'KEY.pub'], /is a public key; the private one signs/],
    [['verify', '--key', 'KEY'], /is a private key; name the public one/],
    [['sign', '--frob'], /Unknown option/],
  ])('refuses %j with a sentence', async (args, sentence) => {
    const key = await keygen()
    const refused = await sign(args.map((arg) => arg.replace('KEY', key)))
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toMatch(sentence)
  })

  it('refuses a key that others can read', async () => {
    const key = await keygen()
    execFileSync('chmod', ['640', key])
    const refused = await sign(['sign', '--key', key, script])
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toContain(`run: chmod 600 ${key}`)
    expect(existsSync(`${script}.sig`)).toBe(false)
  })
})

describe('verify', () => {
  const damages: [string, () => void, RegExp][] = [
    [
      'changed bytes',
      () => writeFileSync(script, 'other'),
      /the manifest has size \d+, and the script has 5/,
    ],
    ['a missing signature', () => rmSync(`${script}.sig`), /\.sig is missing/],
    ['a missing manifest', () => rmSync(`${script}.manifest`), /\.manifest is missing/],
    [
      'a changed manifest',
      () => writeFileSync(`${script}.manifest`, JSON.stringify({ ...manifest(), sequence: 1 })),
      /the signature is not one of key/,
    ],
    [
      'an end of line more',
      () => writeFileSync(`${script}.manifest`, `${readFileSync(`${script}.manifest`, 'utf8')}\n`),
      /the signature is not one of key/,
    ],
    [
      'the signature of another script',
      () => writeFileSync(`${script}.sig`, read('scripts/rhel/dnf-update.sh.sig')),
      /the signature is not one of key/,
    ],
    [
      'the manifest of another script, signed as it is',
      () => {
        for (const ending of ['manifest', 'sig'])
          writeFileSync(`${script}.${ending}`, read(`scripts/rhel/dnf-update.sh.${ending}`))
      },
      /the manifest has name "dnf-update.sh", and the script has "apt-update.sh"/,
    ],
  ]

  it.each(damages)('tells %s, and ends with 1', async (_, damage, sentence) => {
    const key = await keygen()
    await sign(['sign', '--key', key, at('scripts')])
    damage()
    const { code, stdout } = await sign(['verify', '--key', `${key}.pub`, at('scripts')])
    expect(code).toBe(1)
    expect(stdout).toMatch(sentence)
    expect(stdout).toContain(`${at('scripts', 'rhel', 'dnf-update.sh')}: ok`)
  })

  it('knows nobody but the key it was given', async () => {
    const [key, other] = [await keygen(), await keygen('other.key')]
    await sign(['sign', '--key', key, script])
    const { code, stdout } = await sign(['verify', '--key', `${other}.pub`, at('scripts')])
    expect(code).toBe(1)
    expect(stdout).toMatch(/apt-update\.sh: signed with key [0-9a-f]{16}, not with [0-9a-f]{16}\n/)
    expect(stdout).toContain('dnf-update.sh: not signed')
  })
})
