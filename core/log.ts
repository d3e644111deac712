import { pino } from 'pino'

export type Log = pino.Logger

/** Lines of JSON on stderr. Whatever may carry a secret is cut out here, whoever logs it. */
export const createLog = (level: string): Log =>
  pino(
    {
      level,
      redact: {
        paths: [
          'token',
          'password',
          'authorization',
          '*.token',
          '*.password',
          '*.authorization',
          '*.refresh_token',
        ],
        censor: '[secret]',
      },
    },
    pino.destination({ fd: 2, sync: true }),
  )
