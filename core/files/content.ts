import { fileTypeFromBuffer } from 'file-type'

/** What content says of itself; the extension has its dot, or is '' where nobody can tell. */
export type ContentKind = { type: string; extension: string }

/** So much of a file's beginning tells what it is. */
export const HEAD_BYTES = 3072

const HTML =
  /^<(?:!doctype html|html|head|body|title|style|script|iframe|h1|div|font|table|a|b|br|p)[\s>]|^<!--/i
const MARKUP = /^<(?:\?xml|!doctype svg|svg[\s>])/i
const JSON_BEGINNING = /^(?:\{\s*"(?:[^"\\]|\\.)*"\s*:|\[\s*[[{"])/

/** Languages that say their name in the first line. */
const INTERPRETERS: [name: RegExp, kind: ContentKind][] = [
  [/\b(?:ba|da|z|k|a)?sh\b/, { type: 'text/x-shellscript', extension: '.sh' }],
  [/\bpython/, { type: 'text/x-python', extension: '.py' }],
  [/\bperl\b/, { type: 'text/x-perl', extension: '.pl' }],
  [/\blua\b/, { type: 'text/x-lua', extension: '.lua' }],
  [/\bphp\b/, { type: 'text/x-php', extension: '.php' }],
]

const PLAIN = 'text/plain; charset=utf-8'

/**
 * What a file is, by its content alone: whoever named it may say what he likes. `head` is its beginning, all of it
 * when `whole`.
 */
export async function contentKind(head: Uint8Array, whole: boolean): Promise<ContentKind> {
  if (head.length === 0) return { type: 'text/plain', extension: '.txt' }
  const unicode = byteOrderMark(head)
  if (unicode) return { type: `text/plain; charset=${unicode}`, extension: '.txt' }
  const text = Buffer.from(head).toString('latin1').trimStart()
  const known = markupOrScript(text, whole)
  if (known) return known
  const binary = await fileTypeFromBuffer(head)
  if (binary) return { type: binary.mime, extension: `.${binary.ext}` }
  // The control characters that no text has.
  if (/[\0-\x08\x0b\x0e-\x1a\x1c-\x1f]/.test(text)) return { type: 'application/octet-stream', extension: '' }
  const table = tableKind(text, whole)
  if (table) return table
  return { type: isUtf8(head) ? PLAIN : 'text/plain; charset=iso-8859-1', extension: '.txt' }
}

function byteOrderMark([first, second, third]: Uint8Array): string | undefined {
  if (first === 0xef && second === 0xbb && third === 0xbf) return 'utf-8'
  if (first === 0xfe && second === 0xff) return 'utf-16be'
  return first === 0xff && second === 0xfe ? 'utf-16le' : undefined
}

function markupOrScript(text: string, whole: boolean): ContentKind | undefined {
  if (text.startsWith('<?php')) return { type: 'text/x-php', extension: '.php' }
  if (MARKUP.test(text) && /<svg[\s>]/i.test(text)) return { type: 'image/svg+xml', extension: '.svg' }
  if (HTML.test(text)) return { type: 'text/html; charset=utf-8', extension: '.html' }
  if (text.startsWith('<?xml')) return { type: 'text/xml; charset=utf-8', extension: '.xml' }
  if (isJson(text, whole)) return { type: 'application/json', extension: '.json' }
  if (!text.startsWith('#!')) return undefined
  const [line = ''] = text.split('\n', 1)
  return INTERPRETERS.find(([name]) => name.test(line))?.[1]
}

function isJson(text: string, whole: boolean): boolean {
  if (!/^[{[]/.test(text)) return false
  if (!whole) return JSON_BEGINNING.test(text)
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Lines of as many commas, or tabs, each. */
function tableKind(text: string, whole: boolean): ContentKind | undefined {
  const lines = text.split(/\r?\n/)
  // The last may have been cut off, and is empty behind the end of a line.
  if (!whole || lines.at(-1) === '') lines.pop()
  const isTable = (separator: string) => {
    const [first = 0, ...others] = lines.map((line) => columns(line, separator))
    return first > 1 && others.length > 0 && others.every((count) => count === first)
  }
  if (isTable(',')) return { type: 'text/csv', extension: '.csv' }
  return isTable('\t') ? { type: 'text/tab-separated-values', extension: '.tsv' } : undefined
}

const columns = (line: string, separator: string) => line.replace(/"[^"]*"/g, '').split(separator).length

/** A character that the end of the head cuts in two is none that is wrong. */
function isUtf8(head: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true })
    return true
  } catch {
    return false
  }
}
