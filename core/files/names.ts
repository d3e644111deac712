import { randomText } from '../id.ts'

/**
 * The stored name of an upload, as PocketBase makes it: `<base>_<10 random><ext>`. Nothing of the client's
 * name survives that a path could be made of, and no two uploads share a name.
 */
export function storedName(original: string): string {
  const plain = original.split(/[/\\]/).at(-1) ?? ''
  const [base, extension] = split(plain)
  let clean = base
    .replace(/^\.+/, '')
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .toLowerCase()
    .slice(0, 100)
  if (clean.length < 3) clean += randomText(10)
  return `${clean}_${randomText(10)}${extension}`
}

/** The extension runs from the last but one dot, so that `.tar.gz` stays whole. */
function split(name: string): [base: string, extension: string] {
  const parts = name.replace(/^\.+/, '').split('.')
  if (parts.length === 1) return [name, '.txt']
  const kept = parts.slice(parts.length > 2 ? -2 : -1).map((part) => part.replace(/[^A-Za-z0-9_-]/g, ''))
  const extension = `.${kept.filter((part) => part !== '').join('.')}`.slice(-20)
  return [parts.slice(0, parts.length - kept.length).join('.'), extension === '.' ? '.txt' : extension]
}
