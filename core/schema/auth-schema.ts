import type { AuthOptions } from '../collection.ts'

/** What PocketBase keeps of an auth collection beyond its fields. Durations are seconds. */
export const authSchema = (auth: AuthOptions) => ({
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
  otp: { enabled: false, duration: 180, length: 8, emailTemplate: OTP },
  authToken: { duration: auth.tokenSeconds },
  passwordResetToken: { duration: 1800 },
  emailChangeToken: { duration: 1800 },
  verificationToken: { duration: 86_400 },
  fileToken: { duration: 180 },
  verificationTemplate: VERIFICATION,
  resetPasswordTemplate: RESET,
  confirmEmailChangeTemplate: EMAIL_CHANGE,
})

const ALERT = { subject: 'A new sign-in at {APP_NAME}', body: '<p>{ALERT_INFO}</p>' }
const OTP = { subject: 'Your code for {APP_NAME}', body: '<p>{OTP}</p>' }
const page = (name: string) => `{APP_URL}/_/#/auth/${name}/{TOKEN}`
const VERIFICATION = {
  subject: 'Confirm your address at {APP_NAME}',
  body: `<p>${page('confirm-verification')}</p>`,
}
const RESET = {
  subject: 'A new password for {APP_NAME}',
  body: `<p>${page('confirm-password-reset')}</p>`,
}
const EMAIL_CHANGE = {
  subject: 'Confirm your new address at {APP_NAME}',
  body: `<p>${page('confirm-email-change')}</p>`,
}
