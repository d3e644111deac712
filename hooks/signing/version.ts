import { createReadStream } from 'node:fs'
import { text } from 'node:stream/consumers'
import { versionIn } from '../../collections/parts/script-manifest.ts'
import { type Script, scripts } from '../../collections/scripts.ts'
import type { App } from '../../core/app.ts'
import type { Upload } from '../../core/files/storage.ts'

/** A version stands near the top. */
const HEAD_BYTES = 65_536

export const uploadedVersion = async ({ path }: Upload): Promise<string> =>
  versionIn(await text(createReadStream(path, { end: HEAD_BYTES - 1 })))

/** '' also where the file is gone: whoever wants to run it finds that out. */
export async function storedVersion({ files }: App, { id, file }: Script): Promise<string> {
  await using opened = await files.open(scripts.id, id, file)
  return opened ? versionIn(Buffer.from(await opened.head(HEAD_BYTES)).toString()) : ''
}
