import { contentLengthOf, httpValidatorsOf } from '@forebay/backend-transport/answer-headers'
import { type AnswerHeaders, headerOf } from '@forebay/backend-transport/exchange'
import { SharedHeaders } from '@forebay/backend-transport/shared-headers'
import type { ObjectAttributes } from '@forebay/model/object'
import type { Validators } from '@forebay/model/version'

const shared = new SharedHeaders()

/** Everything about the object that the head of an answer says. */
export function attributesOf(headers: AnswerHeaders, sizeBytes: number): ObjectAttributes {
  const validators = httpValidatorsOf(headers)
  return {
    sizeBytes,
    etag: etagOf(validators, sizeBytes),
    // Not the answer's Date: it would be another one each time.
    lastModifiedMs: validators.lastModifiedMs ?? 0,
    headers: shared.share({
      contentType: headerOf(headers, 'content-type'),
      contentEncoding: encodingOf(headers),
      contentLanguage: headerOf(headers, 'content-language'),
      contentDisposition: headerOf(headers, 'content-disposition'),
      cacheControl: headerOf(headers, 'cache-control'),
      expires: headerOf(headers, 'expires'),
    }),
    metadata: {},
    checksums: [],
    validators,
  }
}

/**
 * The tag that clients see: the server's strong one, else one of date and size as nginx writes it, else
 * the weak one. Only the first ever pins bytes.
 */
export function etagOf(validators: Validators, sizeBytes: number): string {
  const { etag, etagWeak, lastModifiedMs } = validators
  if (etag !== undefined && etagWeak !== true) return etag
  if (lastModifiedMs !== undefined) return datedTag(lastModifiedMs, sizeBytes)
  return etag ?? ''
}

/** Seconds since 1970 and bytes, both hexadecimal. With its dash nobody takes it for an MD5. */
export function datedTag(lastModifiedMs: number, sizeBytes: number): string {
  return `${Math.floor(lastModifiedMs / 1000).toString(16)}-${sizeBytes.toString(16)}`
}

/** True when the end of the body can be told from a connection that broke. */
export function isDelimited(headers: AnswerHeaders): boolean {
  if (contentLengthOf(headers) !== undefined) return true
  const coding = headerOf(headers, 'transfer-encoding') ?? ''
  return /(^|,)\s*chunked\s*$/i.test(coding)
}

/** The encoding in which the bytes come; it belongs to the object. */
export function encodingOf(headers: AnswerHeaders): string | undefined {
  const encoding = headerOf(headers, 'content-encoding')?.trim()
  return encoding === undefined || /^(identity)?$/i.test(encoding) ? undefined : encoding
}
