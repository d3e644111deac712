/** Colours, cursor movements, window titles: ESC and what belongs to it. */
const SEQUENCE = /\u001b(?:\[[0-?]*[ -/]*[@-~]?|[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]*[0-~]?)/g
/** Control codes, what turns the direction of writing, what is not seen, other ends of lines. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu
const PLAIN = /^[ -~]*$/

/**
 * What a machine says that we do not trust, as text that a terminal or a page shows as it is: cut to `max` UTF-16
 * units, and on one line.
 */
export const oneLine = (text: string, max: number): string =>
  withoutTricks(text.slice(0, max).replace(/\s+/g, ' ')).trim()

/** The same, with its lines and tabs. */
export const paragraphs = (text: string, max: number): string => withoutTricks(text.slice(0, max))

const withoutTricks = (text: string): string =>
  PLAIN.test(text)
    ? text
    : text
        .replace(SEQUENCE, '')
        .replace(UNSEEN, (letter) => (letter === '\n' || letter === '\t' ? letter : ''))
        .toWellFormed()
