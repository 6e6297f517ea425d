/** A byte range as asked for, before the size is known (RFC 9110 §14.1.2). */
export type RangeRequest =
  | { readonly kind: 'from-to'; readonly first: number; readonly last: number }
  | { readonly kind: 'from'; readonly first: number }
  | { readonly kind: 'suffix'; readonly lengthBytes: number }

/** Bytes `offset .. offset + lengthBytes - 1` of an object. */
export interface ByteRange {
  readonly offset: number
  readonly lengthBytes: number
}

const SINGLE_RANGE = /^bytes=(\d*)-(\d*)\s*$/i

/**
 * Parses a Range header.
 *
 * @returns `undefined` for what HTTP tells a server to ignore: another unit, several ranges, bad
 * syntax, first > last. Numbers beyond 2^53 count as the largest safe number.
 */
export function parseRange(header: string | undefined): RangeRequest | undefined {
  if (header === undefined) return undefined
  const match = SINGLE_RANGE.exec(header)
  if (match === null) return undefined
  const first = match[1] ?? ''
  const last = match[2] ?? ''
  if (first === '') return last === '' ? undefined : { kind: 'suffix', lengthBytes: toSafe(last) }
  if (last === '') return { kind: 'from', first: toSafe(first) }
  if (toSafe(first) > toSafe(last)) return undefined
  return { kind: 'from-to', first: toSafe(first), last: toSafe(last) }
}

/**
 * The bytes that a request means of an object of `sizeBytes`.
 *
 * @returns `undefined` when no byte of the object is in the range: the answer is 416.
 */
export function resolveRange(request: RangeRequest, sizeBytes: number): ByteRange | undefined {
  switch (request.kind) {
    case 'from-to':
      if (request.first >= sizeBytes) return undefined
      return {
        offset: request.first,
        lengthBytes: Math.min(request.last, sizeBytes - 1) - request.first + 1,
      }
    case 'from':
      if (request.first >= sizeBytes) return undefined
      return { offset: request.first, lengthBytes: sizeBytes - request.first }
    case 'suffix': {
      if (request.lengthBytes === 0) return undefined
      // Of an empty object it is the whole (RFC 9110 §14.1.2).
      const lengthBytes = Math.min(request.lengthBytes, sizeBytes)
      return { offset: sizeBytes - lengthBytes, lengthBytes }
    }
    default:
      return request satisfies never
  }
}

function toSafe(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER)
}
