/** PocketBase's time form, `2026-01-02 03:04:05.678Z`: always UTC, always milliseconds, so text order is time order. */
export const formatTime = (time: Date): string => time.toISOString().replace('T', ' ')

/** The time of a stored text, or undefined when the text is empty. */
export const parseTime = (text: string): Date | undefined =>
  text === '' ? undefined : new Date(text.replace(' ', 'T'))

/** RFC 3339, for the product endpoints; '' stays ''. */
export const toRfc3339 = (text: string): string => text.replace(' ', 'T')

export const addSeconds = (time: Date, seconds: number): Date => new Date(time.getTime() + seconds * 1000)
