import { Parser } from 'htmlparser2'

/** What is no text of the page: code, drawings, other documents, forms. */
const SILENT = new Set(
  'head style script iframe embed object applet svg template textarea select option button form dialog picture'.split(
    ' ',
  ),
)
/** What belongs to the head where it stands before all text. */
const HEAD = new Set(['title', 'noscript', 'noframes'])
/** What stands within a word; everything else separates words. */
const INLINE = new Set(
  'a abbr acronym b bdo big br cite code em i img input label q small span strike strong sub sup time'.split(
    ' ',
  ),
)
const BLANKS = /[\t\n\f\r ]+/
/** Read in pieces, so that the excerpt of a book costs no more than that of a page. */
const PIECE = 4096
/** The parser's work grows with the depth; what is nested deeper is not read. */
const DEPTH_MAX = 500

/** The first `max` characters of what HTML says, without tags, entities and repeated white space. */
export function excerpt(html: string, max: number, ellipsis: boolean): string {
  let text = ''
  let gap = false
  let silent = 0
  let depth = 0
  const pass = (name: string, step: 1 | -1) => {
    depth += step
    if (SILENT.has(name) || (text === '' && HEAD.has(name))) silent += step
    else if (silent === 0 && !INLINE.has(name)) gap = true
  }
  const parser = new Parser(
    {
      onopentagname: (name) => pass(name, 1),
      ontext(data) {
        if (silent > 0) return
        const [first = '', ...rest] = data.split(BLANKS)
        // An empty piece is a blank at the beginning or the end.
        add(first)
        for (const word of rest) {
          gap = true
          add(word)
        }
      },
      onclosetag: (name) => pass(name, -1),
    },
    { decodeEntities: true },
  )
  const add = (word: string) => {
    if (word === '') return
    if (gap && text !== '') text += ' '
    gap = false
    text += word
  }
  // A character is one or two units.
  const enough = () => text.length > 2 * max || depth > DEPTH_MAX
  for (let at = 0; at < html.length && !enough(); at += PIECE) parser.write(html.slice(at, at + PIECE))
  if (!enough()) parser.end()
  const characters = [...text.trim()]
  if (characters.length <= max) return characters.join('')
  return characters.slice(0, max).join('').trim() + (ellipsis ? '...' : '')
}
