/** What the compose files of this project are made of: maps, lists of texts, texts. */
export type Yaml = string | Yaml[] | { [key: string]: Yaml }

type Line = { number: number; indent: number; text: string }

/**
 * Reads the part of YAML that our compose files keep to: two blanks a level, `key: value`, `- text` and JSON lists
 * of texts. Throws on anything else, naming the line.
 */
export function readYaml(source: string): Yaml {
  const lines = source.split('\n').flatMap((raw, at): Line[] => {
    const text = raw.replace(/(^|\s)#.*$/, '').trimEnd()
    if (text === '') return []
    const indent = text.length - text.trimStart().length
    if (indent % 2 === 1 || text.includes('\t')) throw new Error(`Line ${at + 1}: indent by two blanks.`)
    return [{ number: at + 1, indent, text: text.trim() }]
  })
  const value = block(lines, 0)
  if (lines[0]) throw new Error(`Line ${lines[0].number}: indented less than what it belongs to.`)
  return value
}

function block(lines: Line[], indent: number): Yaml {
  const list: Yaml[] = []
  const map: { [key: string]: Yaml } = {}
  for (let line = lines[0]; line && line.indent >= indent; line = lines[0]) {
    if (line.indent > indent) throw new Error(`Line ${line.number}: indented too far.`)
    lines.shift()
    const [, key, rest = ''] = /^([\w.-]+):(?: (.*))?$/.exec(line.text) ?? []
    if (line.text.startsWith('- ')) list.push(scalar(line, line.text.slice(2)))
    else if (key === undefined) throw new Error(`Line ${line.number}: neither "key: value" nor "- text".`)
    else if (Object.hasOwn(map, key)) throw new Error(`Line ${line.number}: ${key} stands twice.`)
    else map[key] = rest === '' ? block(lines, indent + 2) : scalar(line, rest)
    if (list.length > 0 && Object.keys(map).length > 0)
      throw new Error(`Line ${line.number}: a list and a map at once.`)
  }
  return list.length > 0 ? list : map
}

function scalar({ number }: Line, text: string): Yaml {
  if (!/^["[{]/.test(text)) return text
  try {
    return JSON.parse(text) as Yaml
  } catch {
    throw new Error(`Line ${number}: ${text} is no JSON text or list.`)
  }
}
