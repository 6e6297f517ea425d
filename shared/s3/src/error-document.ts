import { CATALOGUE, type Failure } from '@forebay/base/failure'
import { XML_DECLARATION, xmlElement } from './xml-write.ts'

/** What a failure is about; all of it goes into the answer. */
export interface ErrorContext {
  readonly requestId: string
  readonly hostId: string
  /** Path of the request, without its query: a presigned query is a secret. */
  readonly resource?: string | undefined
  readonly bucket?: string | undefined
  readonly key?: string | undefined
}

/** Facts of a failure that S3 documents as elements of its errors. */
const FACT_ELEMENTS: Readonly<Record<string, string>> = {
  condition: 'Condition',
  region: 'Region',
  argumentName: 'ArgumentName',
  method: 'Method',
  resourceType: 'ResourceType',
  actualObjectSize: 'ActualObjectSize',
  rangeRequested: 'RangeRequested',
  uploadId: 'UploadId',
  partNumber: 'PartNumber',
  bucketName: 'BucketName',
  key: 'Key',
}

/** Failures whose cause lies behind us: their messages are for the log. */
const HIDDEN = new Set(['internal', 'disk-error', 'setting-invalid', 'format-newer'])

/** The S3 code of a failure. */
export function s3CodeOf(failure: Failure): string {
  return CATALOGUE[failure.code].s3
}

/** A failure as the body of an answer of the S3 API. */
export function renderError(failure: Failure, context: ErrorContext): string {
  let content =
    xmlElement('Code', s3CodeOf(failure)) +
    xmlElement('Message', messageOf(failure)) +
    xmlElement('Resource', context.resource)
  for (const [fact, element] of Object.entries(FACT_ELEMENTS)) {
    content += xmlElement(element, failure.facts[fact])
  }
  if (failure.facts['bucketName'] === undefined) content += xmlElement('BucketName', context.bucket)
  if (failure.facts['key'] === undefined) content += xmlElement('Key', context.key)
  content += xmlElement('RequestId', context.requestId) + xmlElement('HostId', context.hostId)
  return `${XML_DECLARATION}<Error>${content}</Error>`
}

/** Headers that go with a failure, flat. */
export function errorHeaders(failure: Failure): (string | number)[] {
  const flat: (string | number)[] = []
  const seconds = failure.retryAfterSeconds ?? (failure.status === 503 ? 1 : undefined)
  if (seconds !== undefined) flat.push('retry-after', Math.max(0, Math.ceil(seconds)))
  const size = failure.facts['actualObjectSize']
  if (failure.code === 'range-not-satisfiable' && size !== undefined) {
    flat.push('content-range', `bytes */${size}`)
  }
  const region = failure.facts['region']
  if (region !== undefined) flat.push('x-amz-bucket-region', String(region))
  return flat
}

function messageOf(failure: Failure): string {
  if (HIDDEN.has(failure.code)) return 'We encountered an internal error. Please try again.'
  const sentence = failure.message.charAt(0).toUpperCase() + failure.message.slice(1)
  return failure.hint === undefined ? sentence : `${sentence}. ${failure.hint}`
}
