import type { Message } from './mailer.ts'

type Letter = {
  subject: string
  /** Sentences before and after what the message is about. */
  before: string[]
  after: string[]
} & ({ link: { url: string; label: string } } | { code: string })

/** A letter as plain text and as simple HTML; both say the same. */
function write(to: string, letter: Letter): Message {
  const { subject, before, after } = letter
  const isLink = 'link' in letter
  const text = [...before, isLink ? letter.link.url : letter.code, ...after].join('\n\n')
  const heart = isLink
    ? `<a href="${escaped(letter.link.url)}">${escaped(letter.link.label)}</a>`
    : `<strong>${escaped(letter.code)}</strong>`
  const paragraphs = [...before.map(escaped), heart, ...after.map(escaped)].map((line) => `<p>${line}</p>`)
  return { to, subject, text: `${text}\n`, html: `<!doctype html>\n${paragraphs.join('\n')}\n` }
}

const ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => ESCAPES[character] as string)

/** `minutes` is how long the link or the code is good for. */
export const resetMessage = (to: string, url: string, minutes: number): Message =>
  write(to, {
    subject: 'Reset your Patchbase password',
    before: ['Hello,', `Follow this link within ${minutes} minutes to choose a new password:`],
    link: { url, label: 'Reset the password' },
    after: ['It ends all sessions of the account. If you did not ask for it, do nothing.'],
  })

export const verificationMessage = (to: string, url: string, hours: number): Message =>
  write(to, {
    subject: 'Verify your Patchbase e-mail address',
    before: ['Hello,', `Follow this link within ${hours} hours to verify that this is your address:`],
    link: { url, label: 'Verify the address' },
    after: ['If you have no account with Patchbase, do nothing.'],
  })

export const emailChangeMessage = (to: string, url: string, minutes: number): Message =>
  write(to, {
    subject: 'Confirm your new Patchbase e-mail address',
    before: ['Hello,', `Follow this link within ${minutes} minutes to sign in by this address from now on:`],
    link: { url, label: 'Confirm the address' },
    after: ['If you did not ask for it, do nothing.'],
  })

export const codeMessage = (to: string, code: string, minutes: number): Message =>
  write(to, {
    subject: 'Your Patchbase sign-in code',
    before: ['Hello,', `This code signs you in, once, within ${minutes} minutes:`],
    code,
    after: ['Nobody will ever ask you for it. If you did not ask for it, do nothing.'],
  })
