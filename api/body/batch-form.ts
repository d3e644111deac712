import { BadRequest, type FieldError, type FieldErrors } from '../../core/errors.ts'
import { storedName } from '../../core/files/names.ts'
import type { Upload } from '../../core/files/storage.ts'
import type { BatchRequest } from '../../core/records/batch-request.ts'
import type { Body } from './read.ts'

const REQUESTS_MAX = 50
const URL_LENGTH_MAX = 2000
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/** Files of a batch's form: `requests.N.field` or `requests[N].field`. */
const FILE_PART = /^requests(?:\.(\d{1,3})|\[(\d{1,3})\])\.(.+)$/

const blank: FieldError = { code: 'validation_required', message: 'Cannot be blank.' }
const tooLong = (max: number): FieldError => ({
  code: 'validation_length_too_long',
  message: `The length must be no more than ${max}.`,
  params: { min: 0, max },
})

export const unreadableBatch = () => new BadRequest('Failed to read the submitted batch data.')

export const isBatchFile = (part: string): boolean => FILE_PART.test(part)

/** The requests of a batch. Throws BadRequest that names everything that is wrong with them. */
export function batchRequests({ body, uploads }: Body): BatchRequest[] {
  const items = body.requests ?? []
  if (!Array.isArray(items)) throw unreadableBatch()
  if (items.length > REQUESTS_MAX) throw invalid({ requests: tooLong(REQUESTS_MAX) })
  const requests = items.map((item, at) => requestOf(item ?? {}, filesOf(uploads, at)))
  if (requests.length === 0) throw invalid({ requests: blank })

  const errors: FieldErrors = {}
  for (const [at, { method, url }] of requests.entries()) {
    const wrong: FieldErrors = {}
    if (method === '') wrong.method = blank
    else if (!METHODS.includes(method))
      wrong.method = { code: 'validation_in_invalid', message: 'Must be a valid value.' }
    if (url === '') wrong.url = blank
    else if (url.length > URL_LENGTH_MAX) wrong.url = tooLong(URL_LENGTH_MAX)
    if (Object.keys(wrong).length > 0) errors[at] = wrong
  }
  if (Object.keys(errors).length > 0) throw invalid({ requests: errors })
  return requests
}

const invalid = (data: FieldErrors) => new BadRequest('Invalid batch request data.', data)

function requestOf(item: unknown, uploads: Upload[]): BatchRequest {
  const { method, url, headers, body } = objectOf(item)
  const named = Object.entries(objectOf(headers)).map(([name, value]) => [
    name.toLowerCase().replaceAll('-', '_'),
    textOf(value),
  ])
  return {
    method: textOf(method),
    url: textOf(url),
    headers: Object.fromEntries(named),
    body: objectOf(body),
    uploads,
  }
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (value === undefined || value === null) return ''
  throw unreadableBatch()
}

function objectOf(value: unknown): Record<string, unknown> {
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw unreadableBatch()
  return value as Record<string, unknown>
}

/** PocketBase names such a file twice, and so do we: two random suffixes. */
function filesOf(uploads: readonly Upload[], at: number): Upload[] {
  return uploads.flatMap((upload) => {
    const [, dotted, bracketed, field = ''] = FILE_PART.exec(upload.field) ?? []
    if (Number(dotted ?? bracketed) !== at) return []
    return [{ ...upload, field, originalName: storedName(upload.originalName, '') }]
  })
}
