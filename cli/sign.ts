// npm run sign -- keygen | sign | verify: the operator's signatures of patch scripts.
import { parseArgs } from 'node:util'
import { FAMILIES } from '../collections/parts/platforms.ts'
import { StartError } from '../core/errors.ts'
import { type Family, findScripts } from './sign/find-scripts.ts'
import { makeKeyFiles, readPublicKey, readSigningKey } from './sign/key-files.ts'
import { signScript } from './sign/sign-script.ts'
import { verifyScript } from './sign/verify-script.ts'

const USAGE = `npm run sign -- keygen [--out FILE]
npm run sign -- sign --key FILE [--os-version V] [--family F] [PATH...]
npm run sign -- verify --key FILE.pub [--family F] [PATH...]

keygen makes FILE (operator.key), the private key, and FILE.pub, the public one. sign writes PATH.manifest and
PATH.sig beside each script. PATH is a script or a folder; without one, it is patch-scripts. The family is the name of
the script's folder unless --family says it (${FAMILIES.join(', ')}).
A script signed with --os-version is for that version alone. verify ends with 1 where one script is not as signed.`

const OPTIONS = {
  out: { type: 'string' },
  key: { type: 'string' },
  'os-version': { type: 'string' },
  family: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const
/** What each command takes; an option that does nothing is a mistake that somebody relies on. */
const TAKES: Record<string, string[]> = {
  keygen: ['out'],
  sign: ['key', 'os-version', 'family'],
  verify: ['key', 'family'],
}
const OS_VERSION = /^[\w.+-]{1,50}$/

function readCommand() {
  let parsed: ReturnType<typeof parse>
  const parse = () => parseArgs({ options: OPTIONS, allowPositionals: true, strict: true })
  try {
    parsed = parse()
  } catch (error) {
    throw new StartError(`${(error as Error).message}\n\n${USAGE}`)
  }
  const { values, positionals } = parsed
  const [command = '', ...paths] = positionals
  if (values.help) return { command: 'help', values, paths }
  const takes = TAKES[command]
  if (!takes) throw new StartError(`The commands are keygen, sign and verify.\n\n${USAGE}`)
  const unused = Object.keys(values).find((name) => !takes.includes(name))
  if (unused) throw new StartError(`${command} takes no --${unused}; leave it out.\n\n${USAGE}`)
  return { command, values, paths }
}

const familyOf = (name: string | undefined): Family | undefined => {
  if (name === undefined) return undefined
  const family = FAMILIES.find((known) => known === name)
  if (family) return family
  throw new StartError(`--family ${JSON.stringify(name)} is none of ${FAMILIES.join(', ')}.`)
}

async function main(): Promise<void> {
  const { command, values, paths } = readCommand()
  const { out = 'operator.key', key, 'os-version': osVersion = '' } = values
  if (command === 'help') return console.log(USAGE)
  if (command === 'keygen') {
    if (paths.length > 0) throw new StartError('keygen takes no PATH; name the file of the key with --out.')
    const made = await makeKeyFiles(out)
    console.log(`Key ${made.id}: ${out} signs; keep it away from every server.`)
    return console.log(
      `${out}.pub is what hosts trust: npm run agent -- register --trusted-key ${out}.pub ...`,
    )
  }
  if (!key) throw new StartError(`${command} needs --key FILE, a key that "npm run sign -- keygen" has made.`)
  const isNamed = Object.hasOwn(values, 'os-version')
  if (isNamed && !OS_VERSION.test(osVersion))
    throw new StartError('--os-version takes a version such as 12 or 9.4; leave it out for every version.')
  const family = familyOf(values.family)
  if (command === 'sign') {
    const signingKey = await readSigningKey(key)
    for (const script of await findScripts(paths, family))
      console.log(await signScript(script, osVersion, signingKey, new Date()))
    return
  }
  const publicKey = await readPublicKey(key)
  let good = true
  for (const script of await findScripts(paths, family)) {
    const problem = await verifyScript(script, publicKey)
    console.log(`${script.path}: ${problem ?? 'ok'}`)
    if (problem) good = false
  }
  if (!good) process.exit(1)
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error instanceof StartError ? error.message : error)
    process.exit(1)
  },
)
