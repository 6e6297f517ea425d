import type { BucketTable } from '@forebay/control/bucket-table'
import type { TargetPort } from '@forebay/peer/target-port'
import type { Owner } from '@forebay/s3/list-documents'
import type { BucketResolver } from '../../buckets/resolve-bucket.ts'

/** One answered request, for the access log and the metrics. No secrets: the path has no query. */
export interface Answered {
  readonly requestId: string
  /** Wall clock when the request came in, milliseconds since 1970. */
  readonly timeMs: number
  readonly remoteAddress: string
  /** Who signed; absent in open mode. */
  readonly user: string | undefined
  /** An operation of the S3 API; `Unknown` where the request was refused before it was known. */
  readonly operation: string
  readonly bucket: string | undefined
  readonly key: string | undefined
  readonly status: number
  /** Code of the catalogue. */
  readonly errorCode: string | undefined
  readonly bytesIn: number
  readonly bytesOut: number
  readonly durationMs: number
  /** Value of the `Forebay-Cache` header. */
  readonly cache: string | undefined
}

/** Everything that the S3 door needs of its node. */
export interface S3Context {
  readonly target: TargetPort
  readonly table: BucketTable
  readonly resolver: BucketResolver
  /** Region that clients sign for (setting `s3.region`). */
  readonly region: string
  /** Lower case (setting `s3.baseDomains`). */
  readonly baseDomains: readonly string[]
  /** Names the node in error bodies (`HostId`). */
  readonly hostId: string
  /** Owner of everything that listings name. */
  readonly owner: Owner
  /** Longest pause of a client that sends a body, ms. */
  readonly readStallTimeoutMs: number
  /** Told of every answer, when its last byte was handed over. */
  readonly onAnswer?: ((answered: Answered) => void) | undefined
  /** Told of failures that are no fault of the caller, and of answers that broke off. */
  readonly report: (error: unknown, requestId: string) => void
}
