import { createHash } from 'node:crypto'
import { Failure } from '@forebay/base/failure'
import { LIST_PAGE_MAX } from '@forebay/base/limits'
import { type Query, wholeNumber } from './query.ts'

/** Characters of a token: a key of 1,024 bytes in base64 and our own frame fit. */
const TOKEN_LENGTH_MAX = 4096

/** Hexadecimal digits of the check sum in a token: it catches garbage and tokens of other buckets. */
const TOKEN_CHECK_LENGTH = 12

/** What both forms of ListObjects understand. */
export interface ListParameters {
  readonly prefix: string
  /** Absent when it is empty. */
  readonly delimiter: string | undefined
  readonly urlEncoded: boolean
  /** As asked for; more than the API allows counts as the most that it allows. */
  readonly pageMax: number
}

/**
 * The parameters of a listing.
 *
 * @param sizeName `max-keys` or `max-uploads`
 * @throws Failure `argument-invalid`
 */
export function parseListParameters(query: Query, sizeName: string): ListParameters {
  return {
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') || undefined,
    urlEncoded: parseEncodingType(query),
    pageMax: parsePageSize(query, sizeName),
  }
}

/** A page size, 0..1,000. @throws Failure `argument-invalid` */
export function parsePageSize(query: Query, name: string): number {
  return Math.min(wholeNumber(query, name) ?? LIST_PAGE_MAX, LIST_PAGE_MAX)
}

/** True for `encoding-type=url`. @throws Failure `argument-invalid` for another */
export function parseEncodingType(query: Query): boolean {
  const type = query.get('encoding-type')
  if (type === undefined || type === '') return false
  if (type.toLowerCase() !== 'url') {
    throw new Failure('argument-invalid', 'invalid Encoding Method specified in Request')
  }
  return true
}

/**
 * A token that is the name behind which the next page begins: ListBuckets, whose names are no secret
 * to those who may list them.
 *
 * @returns undefined when there is none; S3 takes an empty one for none
 * @throws Failure `argument-invalid` for what no bucket can be called
 */
export function parseNameToken(value: string | undefined): string | undefined {
  if (value === undefined || value === '') return undefined
  if (/^[\w.-]{1,255}$/.test(value)) return value
  throw badToken()
}

/** A token of the core as clients see it: opaque, and of one bucket only. */
export function sealToken(token: string, bucketId: number): string {
  return Buffer.from(checkOf(token, bucketId) + token).toString('base64url')
}

/**
 * The token of the core in one that a client sent back.
 *
 * @throws Failure `argument-invalid` for anything that we did not issue for this bucket
 */
export function openToken(sealed: string, bucketId: number): string {
  if (sealed.length <= TOKEN_LENGTH_MAX) {
    const bytes = Buffer.from(sealed, 'base64url')
    const text = bytes.toString()
    const token = text.slice(TOKEN_CHECK_LENGTH)
    // Encoding again refuses the many spellings that a lenient decoder takes.
    if (text.startsWith(checkOf(token, bucketId)) && bytes.toString('base64url') === sealed) {
      return token
    }
  }
  throw badToken()
}

function badToken(): Failure {
  return new Failure('argument-invalid', 'the continuation token provided is incorrect')
}

function checkOf(token: string, bucketId: number): string {
  return createHash('sha256')
    .update(`${bucketId}:${token}`)
    .digest('hex')
    .slice(0, TOKEN_CHECK_LENGTH)
}
