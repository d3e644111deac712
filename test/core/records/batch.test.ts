import { describe, expect, it } from 'vitest'
import { lxcOsMap } from '../../../collections/lxc-os-map.ts'
import { AppError } from '../../../core/errors.ts'
import { hooksFor } from '../../../core/hooks.ts'
import { type Caller, systemCaller } from '../../../core/records/actor.ts'
import { runBatch } from '../../../core/records/batch.ts'
import type { BatchRequest } from '../../../core/records/batch-request.ts'
import { startEngine } from '../engine.ts'

const request = (ostype: string, headers = {}): BatchRequest => ({
  method: 'POST',
  url: '/api/collections/lxc_os_map/records?a=1&a=2',
  headers,
  body: { ostype, platform_family: 'debian' },
  uploads: [],
})

describe('hooks within a batch', () => {
  it('are told of its commit, of all of it, and of nothing else', async () => {
    const told: string[] = []
    const hooks = hooksFor(lxcOsMap, {
      created: ({ record }) => {
        told.push(record.ostype)
      },
    })
    await using engine = await startEngine({ hooks: [hooks] })
    const { app } = engine
    await expect(runBatch(app, [request('never'), request('')], systemCaller)).rejects.toMatchObject({
      status: 400,
      data: { requests: { 1: { response: { status: 400 } } } },
    })
    await app.settled()
    expect(told).toEqual([])
    await runBatch(app, [request('one'), request('two')], systemCaller)
    await app.settled()
    expect(told).toEqual(['one', 'two'])
  })

  it('see each request as its own, sent by whoever sent the batch', async () => {
    const seen: Caller[] = []
    const hooks = hooksFor(lxcOsMap, {
      async create({ caller }, next) {
        seen.push(caller)
        await next()
      },
    })
    await using engine = await startEngine({ hooks: [hooks] })
    const outer = {
      ...systemCaller,
      method: 'POST',
      headers: { x_a: 'outer', authorization: 'his', x_b: 'b' },
    }
    await runBatch(engine.app, [request('one', { x_a: 'inner', authorization: 'other' })], outer)
    expect(seen).toHaveLength(1)
    const [{ actor, query, headers, context }] = seen as [Caller]
    expect({ actor, query, headers, context }).toEqual({
      actor: outer.actor,
      query: { a: '1' },
      headers: { x_a: 'inner', authorization: 'his', x_b: 'b' },
      context: 'batch',
    })
  })

  it('that fail in a way nobody foresaw fail the whole, not one request', async () => {
    const hooks = hooksFor(lxcOsMap, {
      create: () => Promise.reject(new Error('a mistake of ours')),
    })
    await using engine = await startEngine({ hooks: [hooks] })
    const failed = await runBatch(engine.app, [request('one')], systemCaller).catch((error: unknown) => error)
    expect(failed).not.toBeInstanceOf(AppError)
  })
})
