import { describe, expect, it } from 'vitest'
import { readConfig } from '../../../core/config.ts'
import { StartError } from '../../../core/errors.ts'

const read = (PATCHBASE_SMTP_URL: string, PATCHBASE_MAIL_FROM: string) =>
  readConfig({ PATCHBASE_SMTP_URL, PATCHBASE_MAIL_FROM }).mail

describe('the settings of mail', () => {
  it.each([
    ['smtp://mail.example.com', 'a@b.cc', { host: 'mail.example.com', port: 587, secure: false }],
    ['smtps://mail.example.com', 'a@b.cc', { port: 465, secure: true, login: undefined }],
    ['smtp://mail.example.com:25/', 'a@b.cc', { port: 25 }],
    ['smtp://[::1]:25', 'a@b.cc', { host: '::1' }],
    ['smtp://u%40x:p%2F%3Fw@h:2', 'a@b.cc', { login: { user: 'u@x', password: 'p/?w' } }],
    ['smtp://h', 'Base <a@b.cc>', { from: { name: 'Base', address: 'a@b.cc' } }],
    ['smtp://h', '<a@b.cc>', { from: { name: '', address: 'a@b.cc' } }],
    ['smtp://h', ' a@b.cc ', { from: { name: '', address: 'a@b.cc' } }],
  ])('%s and %s', (url, from, expected) => {
    expect(read(url, from)).toMatchObject(expected)
  })

  it('may be missing, both', () => {
    expect(readConfig({}).mail).toBeUndefined()
    expect(readConfig({ PATCHBASE_SMTP_URL: '', PATCHBASE_MAIL_FROM: '' }).mail).toBeUndefined()
  })

  it.each([
    ['http://h', 'a@b.cc', /PATCHBASE_SMTP_URL is not usable/],
    ['h:25', 'a@b.cc', /PATCHBASE_SMTP_URL is not usable/],
    ['smtp://', 'a@b.cc', /PATCHBASE_SMTP_URL is not usable/],
    ['smtp://u:SECRET@h/x', 'a@b.cc', /it ends with the port/],
    ['smtp://u:SECRET@h?pool=true', 'a@b.cc', /it ends with the port/],
    ['smtp://u:SEC%ZZRET@h', 'a@b.cc', /write % .* as %25/],
    ['smtp://u:SECRET@h', '', /PATCHBASE_SMTP_URL needs PATCHBASE_MAIL_FROM/],
    ['', 'a@b.cc', /PATCHBASE_MAIL_FROM needs PATCHBASE_SMTP_URL/],
    ['smtp://u:SECRET@h', 'nobody', /PATCHBASE_MAIL_FROM is not usable/],
    ['smtp://u:SECRET@h', 'a@b.cc, c@d.ee', /PATCHBASE_MAIL_FROM is not usable/],
    ['smtp://u:SECRET@h', 'A\r\nBcc: x@y.zz <a@b.cc>', /PATCHBASE_MAIL_FROM is not usable/],
  ])('%s and %s are refused without a secret in the sentence', (url, from, sentence) => {
    const attempt = () => read(url, from)
    expect(attempt).toThrow(StartError)
    expect(attempt).toThrow(sentence)
    expect(attempt).not.toThrow(/SEC/)
  })
})
