import { describe, expect, it } from 'vitest'
import { compile, type FilterContext, type FilterRecord, toPredicate } from '../../../core/filter/index.ts'
import { agents, callerFrom, context, people, ruleScope, task } from './world.ts'

// Both evaluators share these two rules; the differential test compares them with guests and callers of two kinds.
const admits = (rule: string, record: FilterRecord, caller: FilterContext, scope = ruleScope): boolean =>
  toPredicate(compile(rule, scope))?.(record, caller) ?? expect.fail('needs the database')

const guest = context()
const ann = callerFrom(people, { id: 'ann' })

describe('having nothing is not having something in common', () => {
  it('shows a guest no record that has no owner', () => {
    for (const rule of [
      'owner = @request.auth.id',
      '@request.auth.id = owner',
      'owner ?= @request.auth.id',
    ]) {
      expect(admits(rule, task(), guest)).toBe(false)
      expect(admits(rule, task({ owner: 'ann' }), ann)).toBe(true)
    }
    expect(admits('owner = @request.auth.id || helper = @request.auth.id', task(), guest)).toBe(false)
    expect(admits('owner != @request.auth.id', task(), guest)).toBe(true)
  })

  it('nor one that matches what the caller does not have', () => {
    expect(admits('title = @request.auth.name', task(), ann)).toBe(false)
    expect(admits('title = @request.auth.no_such_field', task(), ann)).toBe(false)
    expect(admits('title = @request.auth.name:lower', task(), ann)).toBe(false)
    expect(admits('data = @request.auth.profile', task(), ann)).toBe(false)
    expect(admits('title = strftime("%Y", @request.auth.created)', task(), ann)).toBe(false)
    expect(admits('title = strftime("%Y", @request.auth.created)', task(), guest)).toBe(false)
    expect(admits('strftime("%Y", @request.auth.created) = ""', task(), guest)).toBe(true)
    expect(admits('title ~ @request.auth.name', task({ title: 'x' }), ann)).toBe(false)
    expect(admits('title >= @request.auth.name', task({ title: 'x' }), ann)).toBe(false)
    expect(
      admits('title = @request.auth.name', task({ title: 'x' }), callerFrom(people, { name: 'x' })),
    ).toBe(true)
  })

  it('nor what is empty elsewhere in the request', () => {
    expect(admits('@request.auth.id = @request.auth.id', task(), guest)).toBe(false)
    expect(admits('@request.auth.id = @request.body.owner', task(), guest)).toBe(false)
  })

  it('but guards against the constants "" and null work', () => {
    for (const empty of ['""', "''", 'null', 'NULL']) {
      expect(admits(`@request.auth.id != ${empty}`, task(), guest)).toBe(false)
      expect(admits(`${empty} != @request.auth.id`, task(), guest)).toBe(false)
      expect(admits(`@request.auth.id = ${empty}`, task(), guest)).toBe(true)
      expect(admits(`@request.auth.id != ${empty}`, task(), ann)).toBe(true)
    }
  })
})

describe('the same id in another collection is somebody else', () => {
  const impostor = callerFrom(agents, { id: 'ann' })

  it('where a relation says whose id it is', () => {
    for (const rule of [
      'owner = @request.auth.id',
      '@request.auth.id = owner',
      'owner.id = @request.auth.id',
    ]) {
      expect(admits(rule, task({ owner: 'ann' }), impostor)).toBe(false)
      expect(admits(rule, task({ owner: 'ann' }), ann)).toBe(true)
      expect(admits(rule.replace('=', '!='), task({ owner: 'ann' }), impostor)).toBe(true)
    }
    expect(admits('agent = @request.auth.id', task({ agent: 'ann' }), impostor)).toBe(true)
  })

  it('where a record is asked whether it is the caller', () => {
    const scope = { ...ruleScope, collection: people }
    expect(admits('id = @request.auth.id', { id: 'ann' }, impostor, scope)).toBe(false)
    expect(admits('id = @request.auth.id', { id: 'ann' }, ann, scope)).toBe(true)
  })

  it('where a relation of the caller is compared', () => {
    const member = callerFrom(agents, { id: 'x', owner: 'ann' })
    for (const rule of [
      'agent = @request.auth.owner',
      'agent = @request.auth.owner.id',
      '@request.auth.owner:lower = agent',
    ])
      expect(admits(rule, task({ agent: 'ann' }), member)).toBe(false)
    for (const rule of ['owner = @request.auth.owner', 'owner.id = @request.auth.owner.id'])
      expect(admits(rule, task({ owner: 'ann' }), member)).toBe(true)
    expect(
      admits('@request.auth.id = @request.auth.owner', task(), callerFrom(agents, { id: 'a', owner: 'a' })),
    ).toBe(false)
  })

  it('not where plain text is compared', () => {
    expect(admits('title = @request.auth.id', task({ title: 'ann' }), impostor)).toBe(true)
  })
})
