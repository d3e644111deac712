import { describe, expect, it } from 'vitest'
import { collections } from '../../../collections/index.ts'
import { type Collection, defineCollection, type Rule } from '../../../core/collection.ts'
import { relation, text } from '../../../core/fields/index.ts'
import { compileRules } from '../../../core/records/rules.ts'
import { createRegistry } from '../../../core/registry.ts'
import { startEngine } from '../engine.ts'

const RULES = { list: null, view: null, create: null, update: null, delete: null }
const withRule = (list: Rule) =>
  defineCollection({
    name: 'extra',
    fields: { name: text(), owner: relation('users') },
    rules: { ...RULES, list },
  })
const read = (extra: Collection) => compileRules(createRegistry([...collections, extra]))

describe('an engine', () => {
  it('does not start with a rule it does not understand, and names it', async () => {
    const start = async () => {
      await using engine = await startEngine({ collections: [...collections, withRule('nope = 1')] })
      return engine
    }
    await expect(start()).rejects.toThrow(/^The list rule of extra cannot be used: .*nope/)
    for (const rule of ['name =', 'owner.nope = 1', 'name = 1 &&', '@nope = 1', '((name = 1)', 'name ! 1'])
      expect(() => read(withRule(rule)), rule).toThrow('The list rule of extra cannot be used')
    expect(() => read(withRule('@request.auth.id != "" && owner = @request.auth.id'))).not.toThrow()
  })

  it('does not start with a condition on identities that it could not ask in memory', () => {
    const withActive = (active: string) =>
      defineCollection({
        name: 'extra',
        fields: { owner: relation('users') },
        rules: RULES,
        auth: { tokenSeconds: 60, password: false, refreshable: false, active },
      })
    expect(() => read(withActive('owner.verified = true'))).toThrow('The active rule of extra reads other')
    expect(() => read(withActive('owner != ""'))).not.toThrow()
  })

  it('does not start with a relation to nothing, or with two collections of one name', () => {
    const lost = defineCollection({ name: 'extra', fields: { to: relation('nothing') }, rules: RULES })
    expect(() => read(lost)).toThrow('extra.to points at nothing')
    const twin = defineCollection({ name: 'Users', fields: {}, rules: RULES })
    expect(() => read(twin)).toThrow('share the name')
  })
})
