/** Numbers in [0, 1), the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export type Field = { text: string; values: ReadonlySet<number> }
/** The values of each field are known from how it was made: nothing has to read the text again. */
export type Schedule = { text: string; minute: Field; hour: Field; day: Field; month: Field; weekday: Field }

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

type Bounds = { min: number; max: number; names?: readonly string[] }

export function randomSchedules(random: () => number) {
  const below = (limit: number) => Math.floor(random() * limit)
  const spelt = ({ min, names }: Bounds, value: number) => {
    const name = names?.[value - min]
    if (name && random() < 0.3) return random() < 0.5 ? name : name.toUpperCase()
    return random() < 0.1 && value < 10 ? `0${value}` : String(value)
  }
  const one = (bounds: Bounds): Field => {
    const value = bounds.min + below(bounds.max - bounds.min + 1)
    return { text: spelt(bounds, value), values: new Set([value]) }
  }
  const range = (bounds: Bounds, stepped: boolean): Field => {
    const low = bounds.min + below(bounds.max - bounds.min)
    const high = low + 1 + below(bounds.max - low)
    const step = stepped ? 1 + below(high - low) : 1
    const values = new Set<number>()
    for (let value = low; value <= high; value += step) values.add(value)
    const text = `${spelt(bounds, low)}-${spelt(bounds, high)}`
    return { text: stepped ? `${text}/${step}` : text, values }
  }
  const every = ({ min, max }: Bounds, step = 1): Field => {
    const values = new Set<number>()
    for (let value = min; value <= max; value += step) values.add(value)
    return { text: step === 1 ? '*' : `*/${step}`, values }
  }
  const list = (...fields: Field[]): Field => ({
    text: fields.map(({ text }) => text).join(','),
    values: new Set(fields.flatMap(({ values }) => [...values])),
  })
  const some = (bounds: Bounds, all = bounds): Field => {
    const choice = random()
    if (choice < 0.45) return one(bounds)
    if (choice < 0.6) return list(one(bounds), one(bounds))
    if (choice < 0.7) return range(bounds, false)
    if (choice < 0.8) return range(bounds, true)
    if (choice < 0.9) return every(all, 2 + below(Math.min(20, all.max - all.min - 1)))
    return list(one(bounds), range(bounds, true))
  }
  const often = (chance: number, bounds: Bounds) => (random() < chance ? every(bounds) : some(bounds))
  const weekdays = (): Field => {
    const field = often(0.6, { min: 0, max: 6, names: DAYS })
    const choice = random()
    if (choice < 0.05) return { text: '7', values: new Set([0]) }
    if (choice < 0.1) return { text: '5-7', values: new Set([5, 6, 0]) }
    return field
  }
  /** Most clocks change between midnight and four. */
  const hours = (): Field => {
    const all = { min: 0, max: 23 }
    const choice = random()
    if (choice < 0.1) return every(all)
    if (choice < 0.12) return { ...every(all), text: '0-23' }
    return choice < 0.6 ? some({ min: 0, max: 4 }, all) : some(all)
  }
  return (): Schedule => {
    const minute = random() < 0.6 ? one({ min: 0, max: 59 }) : often(0.06, { min: 0, max: 59 })
    const hour = hours()
    const day = often(0.65, { min: 1, max: 31 })
    // A day that some of its months have, so that it comes at all.
    const months = { min: 1, max: 12, names: MONTHS }
    const month =
      day.text === '*' || [...day.values].some((value) => value < 29) ? often(0.7, months) : every(months)
    const weekday = weekdays()
    const text = [minute, hour, day, month, weekday].map((field) => field.text).join(' ')
    return { text, minute, hour, day, month, weekday }
  }
}
