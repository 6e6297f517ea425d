import type { BucketRecord } from '@forebay/model/bucket'
import type { ObjectAttributes } from '@forebay/model/object'
import type { Pin } from '@forebay/model/version'
import type { ObjectRecord, WorkFile } from '../store/contract.ts'
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
