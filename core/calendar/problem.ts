import { BadRequest } from '../errors.ts'

export type CalendarField = 'cron_expression' | 'timezone'

/** A calendar that cannot be: `message` names what is wrong and the remedy. */
export class CalendarProblem extends BadRequest {
  override name = 'CalendarProblem'
  readonly field: CalendarField
  constructor(field: CalendarField, message: string) {
    super(message, { [field]: { code: 'validation_invalid_value', message } })
    this.field = field
  }
}

/** What somebody sent, as it may be repeated in a sentence. */
export const quoted = (text: string): string =>
  JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
