import { BadRequest } from '../../core/errors.ts'
import { unstorable, unstorableText } from '../../core/storable.ts'

export function refuseHostile(value: unknown): void {
  refuse(unstorable(value))
}

export function refuseText(text: string): void {
  refuse(unstorableText(text))
}

function refuse(reason: string | undefined): void {
  if (reason) throw new BadRequest(`The submitted data ${reason}.`)
}
