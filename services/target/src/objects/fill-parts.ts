import type { BucketRecord } from '@forebay/model/bucket'
import type { BucketProperties } from '@forebay/model/bucket-properties'
import type { ObjectAttributes } from '@forebay/model/object'
import type { Pin } from '@forebay/model/version'
import type { NewRecord, ObjectRecord, WorkFile } from '../store/contract.ts'
import type { BlockMap } from './block-map.ts'
import type { GenerationToken } from './generations.ts'

/** What a fill is made of. */
export interface FillParts {
  readonly bucket: BucketRecord
  readonly key: string
  readonly attributes: ObjectAttributes
  readonly pin: Pin
  /** Wall clock before the version was asked for: freshness counts from here. */
  readonly askedMs: number
  readonly work: WorkFile
  readonly token: GenerationToken
  /** Publishing removes the key's unsettled mark. */
  readonly settles: boolean
  /** The partial entry that this fill continues. */
  readonly record?: ObjectRecord | undefined
}

/** True for a version of which the cache may keep some blocks and not all. */
export function mayStayPartial(
  { sparseThresholdBytes }: Pick<BucketProperties, 'sparseThresholdBytes'>,
  { attributes, pin }: Pick<FillParts, 'attributes' | 'pin'>,
): boolean {
  return pin.kind !== 'none' && attributes.sizeBytes > sparseThresholdBytes
}

/** What is recorded of a fill: of blocks of it, or of the whole with its xxh64 where that was computed. */
export function recordOf(
  fill: {
    readonly attributes: ObjectAttributes
    readonly pin: Pin
    readonly askedMs: number
    readonly map: BlockMap
  },
  {
    contentXxh64,
    partial,
  }: { readonly contentXxh64?: string | undefined; readonly partial?: boolean },
): NewRecord {
  return {
    attributes: fill.attributes,
    contentXxh64,
    pin: fill.pin,
    validatedMs: fill.askedMs,
    ...(partial === true ? { blocks: fill.map.toTable() } : {}),
  }
}
