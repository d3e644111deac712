import { StartError } from '../errors.ts'
import { isAddress } from '../fields/email.ts'

/** Where mail is handed in, and who it is from. */
export type MailConfig = {
  readonly host: string
  readonly port: number
  /** TLS from the first byte; otherwise by STARTTLS, where the server offers it. */
  readonly secure: boolean
  readonly login?: { readonly user: string; readonly password: string }
  readonly from: { readonly name: string; readonly address: string }
}

const SENDER = /^(?:([^<>"\p{Cc}]*)<([^<>]+)>|([^<>]+))$/u

/** Reads the two settings of mail; both or none. Throws StartError, which never repeats the URL: it has a password. */
export function mailConfig(smtpUrl: string | undefined, from: string | undefined): MailConfig | undefined {
  if (!smtpUrl && !from) return undefined
  if (!smtpUrl)
    throw new StartError(
      'PATCHBASE_MAIL_FROM needs PATCHBASE_SMTP_URL beside it: smtp://user:password@host:587.',
    )
  if (!from)
    throw new StartError(
      'PATCHBASE_SMTP_URL needs PATCHBASE_MAIL_FROM beside it: the address mail comes from.',
    )
  const url = new URL(smtpUrl)
  if (url.host === '') throw new StartError('PATCHBASE_SMTP_URL is not usable: it names no server.')
  if (url.search !== '' || url.hash !== '' || !['', '/'].includes(url.pathname))
    throw new StartError(
      'PATCHBASE_SMTP_URL is not usable: it ends with the port; encode /, ? and # in a password.',
    )
  const secure = url.protocol === 'smtps:'
  const [, name = '', bracketed, plain] = SENDER.exec(from.trim()) ?? []
  const address = (bracketed ?? plain ?? '').trim()
  if (!isAddress(address))
    throw new StartError(
      'PATCHBASE_MAIL_FROM is not usable: write name@example.com or Name <name@example.com>.',
    )
  return Object.freeze({
    host: url.host.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''),
    port: Number(url.port) || (secure ? 465 : 587),
    secure,
    login: url.username === '' ? undefined : { user: decoded(url.username), password: decoded(url.password) },
    from: { name: name.trim(), address },
  })
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new StartError('PATCHBASE_SMTP_URL is not usable: write % in a name or password as %25.')
  }
}
