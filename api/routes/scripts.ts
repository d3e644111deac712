import { Hono } from 'hono'
import type { App } from '../../core/app.ts'
import type { Countersign } from '../../core/signing/signed-text.ts'
import type { Env } from '../env.ts'
import { requireSignedIn } from '../guards.ts'

/** What an agent compares a downloaded script with, and who vouches for it. */
export const scripts = (app: App, countersign: Countersign) =>
  new Hono<Env>().get('/api/scripts/:id/validate', async (c) => {
    requireSignedIn(c.var.caller)
    const { id, name, sha256, size, manifest, signature } = await app.records.view(
      'scripts',
      c.req.param('id'),
      c.var.caller,
    )
    const second = await countersign(id)
    return c.json({
      ...{ id, name, sha256, size, manifest, signature },
      ...(second && { server_manifest: second.manifest, server_signature: second.signature }),
    })
  })
