import { describe, expect, it } from 'vitest'
import { storedName } from '../../../core/files/names.ts'

/** With `R` for the ten random characters, and `P` for the ten that fill up a short name. */
function shape(name: string, guessed = '.txt'): string {
  return storedName(name, guessed)
    .replace(/_[a-z0-9]{10}(?=\.|$)/, '_R')
    .replace(/^([a-z0-9]{0,2})[a-z0-9]{10}_R/, '$1P_R')
}

describe('a stored name', () => {
  it.each([
    ['abc.txt', 'abc_R.txt'],
    ['a.b', 'aP_R.b'],
    ['ab', 'abP_R.txt'],
    ['noext', 'noext_R.txt'],
    ['archive.tar.gz', 'archive_R.tar.gz'],
    ['many.dots.in.name.sh', 'many_dots_in_R.name.sh'],
    ['UPPER.TXT', 'upper_R.TXT'],
    ['CamelCaseName.Txt', 'camel_case_name_R.Txt'],
    ['myHTTPServer2Go.txt', 'my_httpserver2_go_R.txt'],
    ['aBC.txt', 'a_bc_R.txt'],
    ['A1B2.txt', 'a1_b2_R.txt'],
    ['__init__.py', 'init_R.py'],
    ['with  space--dash.txt', 'with_space_dash_R.txt'],
    ['ünïcode.txt', 'n_code_R.txt'],
    ['日本語.txt', 'P_R.txt'],
    ['aÉb.txt', 'a_b_R.txt'],
    ['.hidden', 'P_R.hidden'],
    ['.tar.gz', 'P_R.tar.gz'],
    ['file.t x!t', 'file_R.txt'],
    ['file.日本', 'file_R.txt'],
    ['file.t+x-y_z*=#', 'file_R.t+x-y_z*=#'],
    ['a..b..c', 'a_b_R.c'],
    ['a.', 'aP_R.txt'],
    ['...', 'P_R.txt'],
    ['', 'P_R.txt'],
    [`x.${'e'.repeat(30)}`, `xP_R.${'e'.repeat(20)}`],
    [`x.${'a'.repeat(15)}.${'b'.repeat(15)}`, `xP_R.aaaa.${'b'.repeat(15)}`],
    [`${'n'.repeat(150)}.txt`, `${'n'.repeat(100)}_R.txt`],
  ])('of %j is %j', (name, expected) => {
    expect(shape(name)).toBe(expected)
  })

  it.each([
    ['../../etc/passwd', 'passwd_R.txt'],
    ['/etc/shadow', 'shadow_R.txt'],
    ['a/b/', 'bP_R.txt'],
    ['..\\..\\boot.ini', 'P_R.boot.ini'],
    ['C:\\x\\y.txt', 'c_x_y_R.txt'],
    ['%2e%2e%2fx.txt', '2e_2e_2fx_R.txt'],
    ['a\r\nSet-Cookie: b.txt', 'a_set_cookie_b_R.txt'],
    ['a"; filename="b.html', 'a_filename_b_R.html'],
    ['\0.txt', 'P_R.txt'],
    ['‮gpj.exe', 'gpj_R.exe'],
  ])('of the trick %j is %j', (name, expected) => {
    expect(shape(name)).toBe(expected)
  })

  it('has the guessed extension where the name has none, and none where nothing was guessed', () => {
    expect(shape('photo', '.png')).toBe('photo_R.png')
    expect(shape('photo.jpg', '.png')).toBe('photo_R.jpg')
    expect(shape('photo', '')).toBe('photo_R')
  })

  it('is made at once, however many slashes there are', () => {
    const start = performance.now()
    expect(shape(`${'/'.repeat(80_000)}x.txt`)).toBe('xP_R.txt')
    expect(performance.now() - start).toBeLessThan(1000)
  })

  it('is never the same twice', () => {
    expect(new Set(Array.from({ length: 1000 }, () => storedName('a.txt', ''))).size).toBe(1000)
  })
})
