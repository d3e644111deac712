import { randomText } from '../id.ts'

const BASE_MAX = 100
const BASE_MIN = 3
const EXTENSION_MAX = 20

/**
 * The stored name of an upload, as PocketBase makes it: `<base>_<10 random><extension>`. Nothing of the client's
 * name survives that a path could be made of, and no two uploads share a name. `guessed` is the extension, with
 * its dot, for a name that has none.
 */
export function storedName(original: string, guessed: string): string {
  const name = original.split('/').findLast((part) => part !== '') ?? ''
  const written = writtenExtension(name)
  let base = name
    .slice(0, name.length - written.length)
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .toLowerCase()
    .slice(0, BASE_MAX)
  if (base.length < BASE_MIN) base += randomText(10)
  return `${base}_${randomText(10)}${cleanExtension(written) || guessed}`
}

/** From the last but one dot on, so that `.tar.gz` stays whole. */
function writtenExtension(name: string): string {
  const last = name.lastIndexOf('.')
  const before = last > 0 ? name.lastIndexOf('.', last - 1) : -1
  return last < 0 ? '' : name.slice(before < 0 ? last : before)
}

function cleanExtension(written: string): string {
  const clean = written.replace(/[^\w.*+=#-]/g, '').replace(/^\.+|\.+$/g, '')
  return clean === '' ? '' : `.${clean.slice(-EXTENSION_MAX).replace(/^\.+/, '')}`
}
