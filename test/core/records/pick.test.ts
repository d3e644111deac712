import { describe, expect, it } from 'vitest'
import { BadRequest } from '../../../core/errors.ts'
import { excerpt } from '../../../core/records/excerpt.ts'
import { picker } from '../../../core/records/pick.ts'

const record = {
  id: 'r1',
  name: 'mine',
  n: 5,
  html: '<p>Hello <b>bold</b> &amp; more</p><script>alert(1)</script>  end',
  data: { a: { b: 1, c: [{ x: 1, y: 2 }, { x: 3 }] }, s: '<i>q</i>', 'd.e': { f: 1, g: 2 } },
  expand: { host: { id: 'h1', name: 'web' }, ops: [{ id: 'o1', n: 1 }] },
}
const { id, name, n, html, data, expand } = record

// What PocketBase answers.
const cases: [string, unknown][] = [
  ['id,name', { id, name }],
  [' id , name ', { id, name }],
  ['id,nope', { id }],
  ['nope', {}],
  ['ID', {}],
  ['*', record],
  ['id,id', { id }],
  ['id.', { id }],
  ['.id', {}],
  ['data.a', { data: { a: data.a } }],
  ['data.a.b', { data: { a: { b: 1 } } }],
  ['data.a.c.x', { data: { a: { c: [{ x: 1 }, { x: 3 }] } } }],
  ['data.a.c.*', { data: { a: { c: data.a.c } } }],
  ['data.d.e.f', { data: { 'd.e': { f: 1 } } }],
  ['data.', { data }],
  ['data..a', { data: {} }],
  ['data.*.b', { data: {} }],
  ['*.b', {}],
  ['data,data.a', { data }],
  ['data.a,data', { data }],
  ['name.x', { name }],
  ['*,data.a.b', { ...record, data: { a: { b: 1 } } }],
  ['expand', { expand }],
  ['*,expand.host.id', { ...record, expand: { host: { id: 'h1' } } }],
  ['expand.ops.n', { expand: { ops: [{ n: 1 }] } }],
  ['expand.*', { expand }],
  ['__proto__', {}],
  ['constructor,toString', {}],
  ['__proto__.x,constructor.prototype', {}],
  ['"id"', {}],
  ['id)', {}],
  ['html:excerpt(5)', { html: 'Hello' }],
  ['html:excerpt(9,true)', { html: 'Hello bol...' }],
  ['html:excerpt(9,1)', { html: 'Hello bol...' }],
  ['html:excerpt(9,yes)', { html: 'Hello bol' }],
  ['html:excerpt(100,true)', { html: 'Hello bold & more end' }],
  ['html: excerpt( 7 , true ),id', { html: 'Hello b...', id }],
  ['html:excerpt 3', { html: 'Hel' }],
  ['html,html:excerpt(3)', { html: 'Hel' }],
  ['html:excerpt(3),html', { html }],
  ['html:excerpt(1.5)', { html: 'H' }],
  ['n:excerpt(2),data:excerpt(2)', { n, data }],
  ['data.s:excerpt(2)', { data: { s: 'q' } }],
  ['id,*:excerpt(2)', { ...record, name: 'mi', html: 'He' }],
]

describe('fields', () => {
  it.each(cases)('%s', (source, expected) => {
    expect(picker(source)?.(record)).toEqual(expected)
  })

  it.each([undefined, '', ',', ' , ,'])('%s asks for everything', (source) => {
    expect(picker(source)).toBeUndefined()
  })

  it.each(
    'html:excerpt() html:excerpt html:excerpt(0) html:excerpt(-1) html:excerpt(abc) html:excerpt(1,2,3) html:excerpt(3 html:nope(3) html: html:Excerpt(3) html:excerpt("5") html:excerpt(1e1) html:excerpt(99999999999999999999) id:excerpt(3):excerpt(2) "id (id id:__proto__ id:constructor(1)'.split(
      ' ',
    ),
  )('%s is refused', (source) => {
    expect(() => picker(source)).toThrow(BadRequest)
  })

  it('picks from the items of a page and from the elements of a list', () => {
    const page = { page: 1, perPage: 30, totalItems: 1, totalPages: 1, items: [record] }
    expect(picker('id')?.(page)).toEqual({ ...page, items: [{ id }] })
    expect(picker('page')?.(page)).toEqual({ ...page, items: [{}] })
    expect(picker('items.id')?.(page)).toEqual({ ...page, items: [{}] })
    expect(picker('status,body.id')?.([{ status: 200, body: record }])).toEqual([
      { status: 200, body: { id } },
    ])
  })

  it('leaves what it is given as it was, and invents no prototype', () => {
    const before = structuredClone(record)
    picker('*,data.a.b,html:excerpt(1)')?.(record)
    expect(record).toEqual(before)
    const hostile = JSON.parse('{"a":{"__proto__":{"x":1},"b":2}}')
    const picked = picker('a.__proto__')?.(hostile) as { a: object }
    expect(Object.getPrototypeOf(picked.a)).toBe(Object.prototype)
    expect(JSON.stringify(picked)).toBe('{"a":{"__proto__":{"x":1}}}')
  })

  it('leaves lists alone that do not begin with an object', () => {
    const lists = { a: [5, { x: 1 }], b: [[{ x: 1, y: 2 }]], c: [{ x: 1, y: 2 }, 5], d: [] }
    expect(picker('a.x,b.x,c.x,d.x')?.(lists)).toEqual({ ...lists, c: [{ x: 1 }, 5] })
  })
})

describe('excerpt', () => {
  // What PocketBase makes of it.
  it.each([
    ['a<b>b</b>c', 'abc'],
    ['a <i>b </i>c', 'a b c'],
    ['a<b> b</b>', 'a b'],
    ['a <em> b </em> c', 'a b c'],
    ['a<div>b</div>c', 'a b c'],
    ['<p>a</p><p>b</p>', 'a b'],
    ['a<br>b', 'ab'],
    ['a<hr>b', 'a b'],
    ['a</p>b', 'a b'],
    ['a<p>b', 'a b'],
    ['a<custom-x>b</custom-x>c', 'a b c'],
    ['  a   b\n\tc  ', 'a b c'],
    ['<table><tr><td>1</td><td>2</td></tr></table>', '1 2'],
    ['<head><title>T</title></head><body>B</body>', 'B'],
    ['<style>x</style>y', 'y'],
    ['a<SCRIPT>s<b></SCRIPT>b', 'ab'],
    ['a<iframe>n</iframe>x', 'ax'],
    ['a<textarea>n</textarea>x', 'ax'],
    ['a<svg><text>s</text></svg>x', 'ax'],
    ['a<template>n</template>x', 'ax'],
    ['a<select><option>o</option></select>x', 'ax'],
    ['a<button>n</button>x', 'ax'],
    ['a<form>n</form>x', 'ax'],
    ['<option>z', ''],
    ['<embed>e', 'e'],
    ['a<input value=3>x', 'ax'],
    ['<!-- c -->x', 'x'],
    ['<script>never closed', ''],
    ['a &lt;b&gt; &copy; &#65; &bogus;', 'a <b> © A &bogus;'],
    ['a\u00a0\u00a0b', 'a\u00a0\u00a0b'],
    ['a < b > c', 'a < b > c'],
    ['a <b', 'a'],
    ['x <', 'x <'],
    ['&lt;script&gt;', '<script>'],
    ['<noscript>n</noscript>x', 'x'],
    ['a<noscript>n</noscript>x', 'a n x'],
    ['<title>T</title>x', 'x'],
    ['', ''],
  ])('%j', (source, expected) => {
    expect(excerpt(source, 1000, true)).toBe(expected)
  })

  it.each([
    ['ab cd ef', 3, true, 'ab...'],
    ['ab cd ef', 3, false, 'ab'],
    ['abc', 3, true, 'abc'],
    ['äöüßx', 3, true, 'äöü...'],
    ['😀😀😀', 2, true, '😀😀...'],
    ['<p>abc</p><p>def</p>', 4, true, 'abc...'],
  ])('%j cut at %i', (source, max, ellipsis, expected) => {
    expect(excerpt(source, max, ellipsis)).toBe(expected)
  })

  it('reads no more of a long text than it shows', () => {
    const long = `<p>${'word <b>x</b> '.repeat(2_000_000)}`
    const start = performance.now()
    expect(excerpt(long, 9, true)).toBe('word x wo...')
    expect(excerpt(`a${'<div>'.repeat(200_000)}deep`, 10, false)).toBe('a')
    expect(performance.now() - start).toBeLessThan(200)
  })
})
