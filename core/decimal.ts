/**
 * A number in plain decimal digits, without an exponent and with no more of them than tell it from its
 * neighbours: what PocketBase makes of a number where a text is wanted.
 */
export function decimal(value: number): string {
  const text = Object.is(value, -0) ? '-0' : String(value)
  const [mantissa = '', exponent] = text.split('e')
  if (exponent === undefined) return text
  const sign = mantissa.startsWith('-') ? '-' : ''
  const digits = mantissa.replace(/[-.]/g, '')
  const power = Number(exponent)
  return sign + (power > 0 ? digits.padEnd(power + 1, '0') : `0.${'0'.repeat(-power - 1)}${digits}`)
}
