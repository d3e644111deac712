import type { Random } from '../../core/filter/random.ts'
import type { Step } from '../request.ts'
import { id } from '../rows.ts'
import { BOXES, box, DATES, JSONS, NUMBERS, TEXTS, THINGS, thing } from './values.ts'

/** Rows that are accepted, with relations to those before them. */
export function* rowsOf(random: Random): Generator<Step> {
  const owner = () => random.pick(['', '$alice', '$bob'])
  const create = (collection: string, body: object): Step => ({
    as: 'root',
    method: 'POST',
    path: `/api/collections/${collection}/records`,
    body: JSON.stringify(body),
  })
  for (let number = 1; number <= BOXES; number++)
    yield create('boxes', {
      id: id('rbox', number),
      name: `box ${number} ${random.pick(TEXTS)}`,
      owner: owner(),
      key: random.pick(TEXTS),
      size: random.pick(NUMBERS),
      open: random.chance(0.5),
      parent: number > 1 && random.chance(0.6) ? id('rbox', random.below(number - 1) + 1) : '',
    })
  for (let number = 1; number <= THINGS; number++)
    yield create('things', {
      id: id('rthing', number),
      title: `t${random.pick(TEXTS)}x`.slice(0, 10),
      note: random.pick(TEXTS),
      amount: random.pick(NUMBERS),
      whole: random.below(5),
      ratio: random.pick(NUMBERS),
      flag: random.chance(0.5),
      at: random.pick(DATES),
      kind: random.pick(['', 'a', 'B', 'c d']),
      owner: owner(),
      other: number > 1 && random.chance(0.7) ? id('rthing', random.below(number - 1) + 1) : '',
      box: random.chance(0.5) ? box(random) : '',
      data: random.pick(JSONS),
    })
  for (let number = 1; number <= BOXES; number++) {
    yield {
      as: 'root',
      method: 'PATCH',
      path: `/api/collections/boxes/records/${id('rbox', number)}`,
      body: JSON.stringify({ thing: random.chance(0.7) ? thing(random) : '' }),
    }
    if (random.chance(0.5))
      yield create('labels', { id: id('rlabel', number), box: id('rbox', number), text: random.pick(TEXTS) })
  }
}
