import type { BucketRef } from '@forebay/model/bucket'
import { asciiJson } from './ascii-json.ts'
import { encodeBucket } from './bucket.ts'
import type { JsonObject } from './json.ts'
import type { WireHeaders } from './object-headers.ts'

/** What a summary of a bucket counted, and what the bucket takes. */
export interface BucketSummary {
  readonly ref: BucketRef
  /** At the store; for a native bucket, and where no store was asked, those on this node. */
  readonly objects: number
  readonly bytes: number
  readonly cachedObjects: number
  readonly cachedBytes: number
  readonly smallestBytes: number
  readonly largestBytes: number
  /** True: `objects` were counted at a store. */
  readonly isRemote: boolean
  readonly diskBytes: number
  /** Of all disks together. */
  readonly capacityBytes: number
}

/** A summary as AIStore's clients read it: counts are strings, sizes of objects numbers. */
export function encodeBucketSummary(summary: BucketSummary): JsonObject {
  const { ref, objects, bytes, isRemote, diskBytes, capacityBytes } = summary
  return {
    ...encodeBucket(ref),
    ObjCount: {
      obj_count_present: String(summary.cachedObjects),
      obj_count_remote: String(isRemote ? objects : 0),
    },
    ObjSize: {
      obj_min_size: summary.smallestBytes,
      obj_avg_size: objects === 0 ? 0 : Math.round(bytes / objects),
      obj_max_size: summary.largestBytes,
    },
    TotalSize: {
      size_on_disk: String(diskBytes),
      size_all_present_objs: String(summary.cachedBytes),
      size_all_remote_objs: String(isRemote ? bytes : 0),
      total_disks_size: String(capacityBytes),
    },
    used_pct: capacityBytes === 0 ? 0 : Math.round((100 * diskBytes) / capacityBytes),
    is_present: true,
  }
}

/** Headers of the answer to HEAD that wants a summary; it is absent until the job has ended. */
export function encodeSummaryHeaders(told: {
  readonly jobId: string
  readonly properties: JsonObject
  readonly summary: JsonObject | undefined
}): WireHeaders {
  const { jobId, properties, summary } = told
  return {
    'Content-Length': '0',
    'Ais-Xaction-Id': jobId,
    'Ais-Bucket-Props': asciiJson(properties),
    ...(summary === undefined ? {} : { 'Ais-Bucket-Summ': asciiJson(summary) }),
  }
}
