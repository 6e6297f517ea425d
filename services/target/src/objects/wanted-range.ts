import type { ObjectAttributes } from '@forebay/model/object'
import { type ByteRange, resolveRange } from '@forebay/model/range'
import type { ReadRequest } from '@forebay/peer/target-port'

/** The bytes that a request means of an object of these attributes. */
export type WantedRange =
  | { readonly kind: 'whole' }
  | { readonly kind: 'range'; readonly range: ByteRange; readonly partCount?: number | undefined }
  | { readonly kind: 'unsatisfiable' }

/** True for ranges and conditions: they are judged on attributes before any byte is fetched. */
export function needsAttributes(request: ReadRequest): boolean {
  const { conditions } = request
  return (
    request.range !== undefined ||
    request.partNumber !== undefined ||
    conditions.ifMatch !== undefined ||
    conditions.ifNoneMatch !== undefined ||
    conditions.ifModifiedSinceMs !== undefined ||
    conditions.ifUnmodifiedSinceMs !== undefined
  )
}

/** Resolves Range or partNumber. A part number counts from 1; an object of one PUT has part 1 only. */
export function wantedRange(request: ReadRequest, attributes: ObjectAttributes): WantedRange {
  if (request.partNumber !== undefined) return wantedPart(request.partNumber, attributes)
  if (request.range === undefined) return { kind: 'whole' }
  const range = resolveRange(request.range, attributes.sizeBytes)
  return range === undefined ? { kind: 'unsatisfiable' } : { kind: 'range', range }
}

function wantedPart(partNumber: number, attributes: ObjectAttributes): WantedRange {
  const { parts, sizeBytes } = attributes
  if (parts === undefined) {
    if (partNumber !== 1) return { kind: 'unsatisfiable' }
    return { kind: 'range', range: { offset: 0, lengthBytes: sizeBytes } }
  }
  let offset = 0
  for (const [index, part] of parts.entries()) {
    if (index === partNumber - 1) {
      return {
        kind: 'range',
        range: { offset, lengthBytes: part.sizeBytes },
        partCount: parts.length,
      }
    }
    offset += part.sizeBytes
  }
  return { kind: 'unsatisfiable' }
}
