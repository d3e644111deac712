import { html } from 'hono/html'
import type { AppError } from '../../core/errors.ts'
import type { RequestContext } from '../env.ts'

type Html = ReturnType<typeof html>

const STYLE = `
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: Canvas; color: CanvasText; }
  main { width: min(26rem, calc(100vw - 3rem)); padding: 2rem 0; }
  h1 { font-size: 1.4rem; margin: 0 0 .5rem; }
  p { margin: 0 0 1.25rem; }
  label { display: block; font-weight: 600; margin: 1rem 0 .25rem; }
  input { box-sizing: border-box; width: 100%; font: inherit; padding: .55rem .7rem; border: 1px solid GrayText; border-radius: .4rem; }
  button { margin-top: 1.5rem; width: 100%; font: inherit; font-weight: 600; padding: .65rem; border: 0; border-radius: .4rem; background: #1d5fd1; color: #fff; cursor: pointer; }
  button:focus-visible, input:focus-visible { outline: 3px solid #6ea8ff; outline-offset: 2px; }
  .error { border-left: 4px solid #c62828; padding: .4rem .8rem; }
  dl { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem; } dt { opacity: .75; } dd { margin: 0; overflow-wrap: anywhere; }
  code { font-size: 1.1em; letter-spacing: .05em; }
`

/** Forms work without scripts, and nothing on these pages may load or frame anything. */
const CSP =
  "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

export function page(
  c: RequestContext,
  title: string,
  content: Html | Promise<Html>,
  status: 200 | 400 = 200,
) {
  c.header('Content-Security-Policy', CSP)
  c.header('Cache-Control', 'no-store')
  c.header('Referrer-Policy', 'no-referrer')
  return c.html(
    html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title} - Patchbase</title><style>${STYLE}</style></head>
<body><main><h1>${title}</h1>${content}</main></body>
</html>`,
    status,
  )
}

export const problem = (message: string | undefined) =>
  message ? html`<p class="error" role="alert">${message}</p>` : ''

/** The first field that is wrong, in words. */
export function sentenceOf({ message, data }: AppError): string {
  const [first] = Object.entries(data)
  const detail = first?.[1].message
  return first && typeof detail === 'string' ? `${first[0]}: ${detail}` : message
}
