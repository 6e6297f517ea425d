import { compareStamps, type Pin } from '@forebay/model/version'
import type { ObjectRecord } from '../store/contract.ts'

/** True when both are the same version of the key, or both are none. */
export function sameVersion(a: ObjectRecord | undefined, b: ObjectRecord | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return compareStamps(a.stamp, b.stamp) === 0
}

/** True when both pins name the same version; pins of kind `none` never do. */
export function samePin(a: Pin, b: Pin): boolean {
  switch (a.kind) {
    case 'version-id':
      return b.kind === 'version-id' && a.versionId === b.versionId
    case 'generation':
      return b.kind === 'generation' && a.generation === b.generation
    case 'etag':
      return b.kind === 'etag' && a.etag === b.etag
    case 'last-modified':
      return b.kind === 'last-modified' && a.lastModifiedMs === b.lastModifiedMs
    case 'none':
      return false
    default:
      return a satisfies never
  }
}
