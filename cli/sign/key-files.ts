import { open, readFile, rm, stat } from 'node:fs/promises'
import { StartError } from '../../core/errors.ts'
import {
  isEncrypted,
  KeyError,
  makeSigningKey,
  privatePem,
  publicPem,
  type SigningKey,
  signingKeyFrom,
  type VerifyingKey,
  verifyingKeyFrom,
} from '../../core/signing/keys.ts'
import { readSecretLine } from '../secret-line.ts'

/** A new key in `file`, its public half in `file`.pub. What is there already is never replaced. */
export async function makeKeyFiles(file: string): Promise<SigningKey> {
  const key = makeSigningKey()
  await writeNew(file, privatePem(key), 0o600)
  try {
    await writeNew(`${file}.pub`, publicPem(key), 0o644)
  } catch (error) {
    // A private key whose public half is not beside it looks finished and is not.
    await rm(file)
    throw error
  }
  return key
}

async function writeNew(file: string, content: string, mode: number): Promise<void> {
  await using handle = await open(file, 'wx', mode).catch((error: NodeJS.ErrnoException) => {
    throw new StartError(
      error.code === 'EEXIST'
        ? `${file} exists, and a key that is replaced is lost; name another file with --out.`
        : `${file} cannot be written (${error.message}); name another file with --out.`,
    )
  })
  await handle.writeFile(content)
  await handle.sync()
}

/** Asks for the passphrase of an encrypted key. Throws StartError. */
export async function readSigningKey(file: string): Promise<SigningKey> {
  const pem = await readKeyFile(file)
  // As root it opens all the same, but others would have it, too.
  const { mode } = await stat(file)
  const isPrivate = pem.includes('PRIVATE KEY')
  if (isPrivate && (mode & 0o077) !== 0)
    throw new StartError(`--key ${file} can be read by other accounts; run: chmod 600 ${file}`)
  const passphrase = isEncrypted(pem) ? await readSecretLine('Passphrase: ') : undefined
  return named(file, () => signingKeyFrom(pem, passphrase))
}

/** Throws StartError. */
export async function readPublicKey(file: string): Promise<VerifyingKey> {
  const pem = await readKeyFile(file)
  return named(file, () => verifyingKeyFrom(pem))
}

const readKeyFile = (file: string): Promise<string> =>
  readFile(file, 'utf8').catch((error: Error) => {
    throw new StartError(
      `--key ${file} cannot be read (${error.message}); make a key with "npm run sign -- keygen".`,
    )
  })

function named<T>(file: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof KeyError)) throw error
    throw new StartError(`--key ${file} ${error.message}. "npm run sign -- keygen" makes both halves of one.`)
  }
}
