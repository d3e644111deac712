import { FilterError } from './filter-error.ts'
import { resolveOperand, type Scope } from './resolve.ts'
import type { FieldPath, Operand } from './resolved.ts'
import { parseTimeFormat, type TimeFormat } from './strftime.ts'
import type { RawOperand } from './syntax.ts'

const ARGUMENTS_MAX = 10

/** `strftime(format, time, modifier, ...)`; without a time, of the present. */
export function resolveCall({ name, args, at }: RawOperand & { kind: 'call' }, scope: Scope): Operand {
  if (name !== 'strftime') throw new FilterError(`Unknown function ${name}()`, at)
  const [format, time, ...modifiers] = args
  if (!format) throw new FilterError('strftime takes a format first, such as "%Y-%m"', at)
  if (args.length > ARGUMENTS_MAX)
    throw new FilterError(`strftime takes at most ${ARGUMENTS_MAX} arguments`, at)
  const written = parseTimeFormat(textOf(format), modifiers.map(textOf), at)
  if (!time) return { kind: 'strftime', format: written, time: { kind: 'macro', name: '@now' } }
  if (time.kind === 'call') throw new FilterError('strftime takes no function for a time', time.at)
  return formatted(resolveOperand(time, scope), written, time)
}

function textOf(raw: RawOperand): string {
  if (raw.kind === 'constant' && typeof raw.value === 'string') return raw.value
  throw new FilterError('The format and modifiers of strftime are texts in quotes', raw.at)
}

function formatted(time: Operand, format: TimeFormat, { at }: RawOperand): Operand {
  switch (time.kind) {
    case 'constant':
    case 'macro':
    case 'request':
      return { kind: 'strftime', format, time }
    case 'field':
      return formattedField(time, format, at)
    case 'request-path': {
      const fields = [...time.fields].map(([key, path]) => [key, formattedField(path, format, at)] as const)
      return { ...time, fields: new Map(fields) }
    }
    default:
      throw new FilterError('strftime takes no such time', at)
  }
}

/** Of columns only dates: in their one form PostgreSQL reads them as SQLite does. */
function formattedField(path: FieldPath, format: TimeFormat, at: number): FieldPath {
  const { field } = path
  const [first] = format.steps
  if (field.kind !== 'date') throw new FilterError(`strftime takes a date, and ${field.name} is none`, at)
  if (format.pieces.some((piece) => 'code' in piece && piece.code === 'J'))
    throw new FilterError('%J takes no field', at)
  if (first?.by === 'number' && first.as !== 'auto')
    throw new FilterError(`The modifier ${first.as} takes a number, no field`, at)
  return { ...path, modifier: format, names: undefined }
}
