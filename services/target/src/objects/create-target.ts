import type { Backend } from '@forebay/backend-port/backend'
import type { Clock } from '@forebay/base/clock'
import type { KeyedLock } from '@forebay/base/keyed-lock'
import { PUT_BYTES_MAX } from '@forebay/base/limits'
import type { BucketRecord } from '@forebay/model/bucket'
import { type BucketProperties, resolveProperties } from '@forebay/model/bucket-properties'
import type { Inventories } from '../inventory/inventories.ts'
import type { ObjectStore } from '../store/contract.ts'
import { Questions } from './ask-backend.ts'
import type { ObjectContext, ObjectObserver } from './context.ts'
import { watchLoop } from './fetch-pace.ts'
import { FillTable } from './fill-table.ts'
import { GATHERED_BYTES_MAX } from './gathered.ts'
import { Generations } from './generations.ts'
import { Mending } from './mending.ts'
import { OverlapWatch } from './overlap.ts'
import { Target } from './target.ts'
import { ToldSince } from './told-since.ts'
import { UnsettledKeys } from './unsettled.ts'
import { VerifiedLately } from './verify-warm.ts'

/** Sixteen connections of 25 MiB a second are as much as one event loop moves. */
const CONNECTIONS_PER_OBJECT_DEFAULT = 16

/** What a target is made of; `locks` are the ones that the store's eviction takes too. */
export interface TargetOptions {
  readonly store: ObjectStore
  readonly locks: KeyedLock
  readonly backendOf: (bucket: BucketRecord) => Backend
  readonly clock: Clock
  readonly observer: ObjectObserver
  readonly nodeId: string
  readonly sendfile: 'auto' | 'off'
  readonly whenAbandoned: 'stop' | 'finish'
  readonly fillsMax: number
  /** Default `GATHERED_BYTES_MAX`. */
  readonly gatheredBytesMax?: number | undefined
  /** Default 16. */
  readonly connectionsPerObjectMax?: number | undefined
  /** Default: what a store takes at once, 5 GiB. */
  readonly copyPartsAboveBytes?: number | undefined
  /** Default: measured. */
  readonly loopBusyShare?: (() => number) | undefined
  readonly writeStallTimeoutMs: number
  /** Default false. */
  readonly portableKeys?: boolean | undefined
  readonly inventories?: Inventories | undefined
  /** The node's defaults for buckets with a backend. */
  readonly cacheDefaults?: Pick<BucketProperties, 'revalidate' | 'staleIfErrorMs'> | undefined
}

/** A target over an open store. */
export function createTarget(options: TargetOptions): Target {
  return new Target(createObjectContext(options))
}

/** The context that the flows of objects share; for tests that look inside. */
export function createObjectContext(options: TargetOptions): ObjectContext {
  const told = new ToldSince(options.clock)
  return {
    ...options,
    told,
    momentOf: (bucket) => ({ nowMs: options.clock.now(), toldSinceMs: told.of(bucket) }),
    gatheredBytesMax: options.gatheredBytesMax ?? GATHERED_BYTES_MAX,
    connectionsPerObjectMax: options.connectionsPerObjectMax ?? CONNECTIONS_PER_OBJECT_DEFAULT,
    copyPartsAboveBytes: options.copyPartsAboveBytes ?? PUT_BYTES_MAX,
    loopBusyShare: options.loopBusyShare ?? watchLoop(),
    propertiesOf: rememberProperties(options.cacheDefaults, told),
    generations: new Generations(),
    overlaps: new OverlapWatch(),
    unsettled: new UnsettledKeys(options.store, options.clock),
    fills: new FillTable(),
    questions: new Questions(),
    mending: new Mending(),
    verified: new VerifiedLately(),
  }
}

/** Resolves each row of the bucket table once. */
function rememberProperties(
  defaults: TargetOptions['cacheDefaults'],
  told: ToldSince,
): (bucket: BucketRecord) => BucketProperties {
  const resolved = new WeakMap<BucketRecord, BucketProperties>()
  return (bucket) => {
    const known = resolved.get(bucket)
    if (known !== undefined) return known
    const properties = resolveProperties(bucket.backend, { ...defaults, ...bucket.properties })
    resolved.set(bucket, properties)
    // Every flow looks here before it asks a backend: what it confirms is believed from now on.
    told.of(bucket)
    return properties
  }
}
