// Every route on one screen. Routes know `core` alone and reach records through `app`.
import { Hono } from 'hono'
import type { App } from '../core/app.ts'
import type { LinkTo } from '../core/auth/mailed-token.ts'
import { NotFound } from '../core/errors.ts'
import type { Countersign } from '../core/signing/signed-text.ts'
import { deviceApproval } from './device-approval.ts'
import type { Env } from './env.ts'
import { loginLimit } from './login-limit.ts'
import { mailLimit } from './mail-limit.ts'
import { answer, errors } from './middleware/errors.ts'
import { fields } from './middleware/fields.ts'
import { headers } from './middleware/headers.ts'
import { identity } from './middleware/identity.ts'
import { authPages } from './pages/auth.ts'
import { authorize } from './pages/authorize.ts'
import { setup } from './pages/setup.ts'
import { agent } from './routes/agent.ts'
import { auth } from './routes/auth.ts'
import { authMail } from './routes/auth-mail.ts'
import { batch } from './routes/batch.ts'
import { collections } from './routes/collections.ts'
import { files } from './routes/files.ts'
import { health } from './routes/health.ts'
import { patches } from './routes/patches.ts'
import { proxmox } from './routes/proxmox.ts'
import { realtime } from './routes/realtime.ts'
import { reboot } from './routes/reboot.ts'
import { records } from './routes/records.ts'
import { schedules } from './routes/schedules.ts'
import { scripts } from './routes/scripts.ts'

export type Api = ReturnType<typeof createApi>

/** `countersign` is the product's; without it there are no second signatures. */
export function createApi(
  app: App,
  publicUrl: () => string,
  countersign: Countersign = async () => undefined,
) {
  const logins = loginLimit()
  const mails = mailLimit()
  const linkTo: LinkTo = (name, token) => `${publicUrl()}/auth/${name}?token=${token}`
  const approval = deviceApproval(app)
  return new Hono<Env>()
    .onError(errors(app))
    .notFound((c) => {
      // PocketBase serves static files on GET, and says so.
      const reading = c.req.method === 'GET' || c.req.method === 'HEAD'
      return answer(c, new NotFound(reading ? 'File not found.' : undefined))
    })
    .use(headers)
    .use(fields)
    .use(identity(app))
    .route('/', records(app))
    .route('/', batch(app))
    .route('/', auth(app, logins, mails))
    .route('/', authMail(app, logins, mails, linkTo))
    .route('/', authPages(app, logins, mails))
    .route('/', collections(app))
    .route('/', realtime(app))
    .route('/', files(app))
    .route('/', health(app))
    .route('/', agent(app, publicUrl, approval))
    .route('/', patches(app))
    .route('/', reboot(app))
    .route('/', schedules(app))
    .route('/', proxmox(app))
    .route('/', scripts(app, countersign))
    .route('/', setup(app, publicUrl))
    .route('/', authorize(app, logins, approval))
}
