import type { Validators } from '@forebay/model/version'
import { parseHttpDate } from '@forebay/s3/dates'
import { type AnswerHeaders, headerOf } from './exchange.ts'

/** What an ETag header says; the tag without quotes. */
export function parseEtag(
  text: string | undefined,
): { readonly etag: string; readonly weak: boolean } | undefined {
  if (text === undefined) return undefined
  const final = text.length - 1
  if (final > 1 && text[0] === '"' && text.indexOf('"', 1) === final) {
    return { etag: text.slice(1, -1), weak: false }
  }
  const match = /^(W\/)?"?([^"]*)"?$/.exec(text.trim())
  const etag = match?.[2] ?? ''
  return etag === '' ? undefined : { etag, weak: match?.[1] !== undefined }
}

/** What HTTP itself says about a version: ETag, Last-Modified, and the clock they are read by. */
export function httpValidatorsOf(headers: AnswerHeaders): Validators {
  const tag = parseEtag(headerOf(headers, 'etag'))
  return {
    etag: tag?.etag,
    etagWeak: tag?.weak,
    lastModifiedMs: dateOf(headers, 'last-modified'),
    dateMs: dateOf(headers, 'date'),
  }
}

/** Milliseconds since 1970 of a date header, `undefined` when it is absent or no date. */
export function dateOf(headers: AnswerHeaders, name: string): number | undefined {
  const text = headerOf(headers, name)
  if (text === undefined) return undefined
  return name === 'date' ? parseClock(text) : parseHttpDate(text)
}

let lastDate: { readonly text: string; readonly ms: number | undefined } | undefined

/** The Date header, which is the clock of a store: the answers of one second state the same. */
export function parseClock(text: string): number | undefined {
  if (lastDate?.text !== text) lastDate = { text, ms: parseHttpDate(text) }
  return lastDate.ms
}

/** `Content-Range: bytes first-last/total`; `total` is absent for `*`. */
export function parseContentRange(
  text: string | undefined,
):
  | { readonly first: number; readonly last: number; readonly totalBytes: number | undefined }
  | undefined {
  const match = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/.exec((text ?? '').trim())
  if (match === null) return undefined
  const totalBytes = match[3] === '*' ? undefined : Number(match[3])
  return { first: Number(match[1]), last: Number(match[2]), totalBytes }
}

/** Content-Length, `undefined` when it is absent or no number. */
export function contentLengthOf(headers: AnswerHeaders): number | undefined {
  const text = headerOf(headers, 'content-length') ?? ''
  return /^\d{1,16}$/.test(text) ? Number(text) : undefined
}
