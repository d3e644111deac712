import { SECONDS as EMAIL_CHANGE_SECONDS } from '../auth/email-change.ts'
import { DIGITS } from '../auth/otp.ts'
import { SECONDS as RESET_SECONDS } from '../auth/password-reset.ts'
import { FILE_TOKEN_SECONDS } from '../auth/tokens.ts'
import { SECONDS as VERIFICATION_SECONDS } from '../auth/verification.ts'
import type { AuthOptions } from '../collection.ts'
import type { Message } from '../mail/mailer.ts'
import { codeMessage, emailChangeMessage, resetMessage, verificationMessage } from '../mail/messages.ts'

/** Where PocketBase has none of its own. */
const OTP_SECONDS = 180

/** What PocketBase keeps of an auth collection beyond its fields. Durations are seconds. */
export function authSchema(auth: AuthOptions, canMail: boolean) {
  const { otpSeconds = OTP_SECONDS } = auth
  return {
    // Here it holds at every request; PocketBase asks it at sign-in only.
    authRule: auth.active ?? '',
    manageRule: null,
    authAlert: { enabled: false, emailTemplate: ALERT },
    oauth2: {
      enabled: false,
      providers: [],
      mappedFields: { id: '', name: '', username: '', avatarURL: '' },
    },
    passwordAuth: { enabled: auth.password, identityFields: ['email'] },
    mfa: { enabled: false, duration: 600, rule: '' },
    otp: {
      enabled: canMail && auth.otpSeconds !== undefined,
      duration: otpSeconds,
      length: DIGITS,
      emailTemplate: template(codeMessage('', '{OTP}', otpSeconds / 60)),
    },
    authToken: { duration: auth.tokenSeconds },
    passwordResetToken: { duration: RESET_SECONDS },
    emailChangeToken: { duration: EMAIL_CHANGE_SECONDS },
    verificationToken: { duration: VERIFICATION_SECONDS },
    fileToken: { duration: FILE_TOKEN_SECONDS },
    verificationTemplate: template(
      verificationMessage('', page('confirm-verification'), VERIFICATION_SECONDS / 3600),
    ),
    resetPasswordTemplate: template(resetMessage('', page('confirm-password-reset'), RESET_SECONDS / 60)),
    confirmEmailChangeTemplate: template(
      emailChangeMessage('', page('confirm-email-change'), EMAIL_CHANGE_SECONDS / 60),
    ),
  }
}

/** Our letters, with PocketBase's words for what it fills in, and the pages of its dashboard. */
const template = ({ subject, html }: Message) => ({ subject, body: html })
const page = (name: string) => `{APP_URL}/_/#/auth/${name}/{TOKEN}`

/** Nobody is told of new places here, but PocketBase wants a letter for it. */
const ALERT = { subject: 'A new sign-in at {APP_NAME}', body: '<p>{ALERT_INFO}</p>' }
