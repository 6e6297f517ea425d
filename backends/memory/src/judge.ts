import type { CopyOptions, WriteResult } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import { type Conditions, judgeRead, judgeWrite } from '@forebay/model/conditions'
import { matchesPin } from '@forebay/model/version'
import type { Place } from './memory-backend.ts'
import type { StoredVersion } from './memory-bucket.ts'

/** Where a copy takes its bytes from, and on which terms. */
export type CopySource = Pick<
  CopyOptions,
  'sourceBucket' | 'sourceConditions' | 'sourceKey' | 'sourcePin'
>

/** The version that a copy takes, its conditions fulfilled. */
export function sourceOf(place: Place, options: CopySource): StoredVersion {
  const { store } = place
  const bucket = store.bucket(options.sourceBucket)
  const pin = options.sourcePin
  const pinned =
    pin?.kind === 'version-id' ? bucket.version(options.sourceKey, pin.versionId) : undefined
  const source = pinned ?? bucket.current(options.sourceKey)
  if (source === undefined) throw new Failure('object-not-found', `no object ${options.sourceKey}`)
  const changed =
    pin !== undefined && pin.kind !== 'none' && !matchesPin(pin, store.validatorsOf(source))
  if (changed || judgeRead(options.sourceConditions, source) !== 'proceed') {
    throw new Failure('precondition-failed', 'the source of the copy does not meet the conditions')
  }
  return source
}

/** What a writer is told about the version it made. */
export function resultOf(place: Place, version: StoredVersion): WriteResult {
  const { etag, versionId, dateMs } = place.store.validatorsOf(version)
  return { etag, versionId, dateMs, checksums: version.checksums }
}

/** @throws Failure `not-implemented` for a condition that this backend cannot decide. */
export function checkCondition(place: Place, { ifMatch, ifNoneMatch }: Conditions): void {
  if (place.capabilities.conditionalWrite) return
  if (ifMatch !== undefined || ifNoneMatch !== undefined) throw unsupported('conditional write')
}

/**
 * Decides a write's conditions.
 *
 * @throws Failure `precondition-failed` | `object-not-found` (a version is named, nothing is there)
 */
export function judge(conditions: Conditions, current: StoredVersion | undefined): void {
  switch (judgeWrite(conditions, current)) {
    case 'proceed':
      return
    case 'precondition-failed':
      throw new Failure('precondition-failed', 'the object does not meet the conditions')
    case 'absent':
      throw new Failure('object-not-found', 'the condition names a version, but there is no object')
  }
}

/** What an operation outside the capabilities fails with. */
export function unsupported(what: string): Failure {
  return new Failure('not-implemented', `this backend has no ${what}`)
}
