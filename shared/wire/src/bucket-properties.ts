import type { BackendBinding, BucketRecord } from '@forebay/model/bucket'
import { resolveProperties } from '@forebay/model/bucket-properties'
import { formatProperties } from '@forebay/model/property-list'
import { encodeBucket } from './bucket.ts'
import type { JsonObject } from './json.ts'

/** All rights, as AIStore writes a bucket without access limits: 2^64 - 1. */
const ACCESS_ALL = '18446744073709551615'

/** AIStore numbers native buckets from 2^63 on. */
const NATIVE_ID_BASE = 2n ** 63n

/**
 * A bucket's properties as AIStore's clients read them (the header `Ais-Bucket-Props`): their whole
 * tree, because the `ais` tool needs every section, and ours below `forebay`.
 *
 */
export function encodeBucketProperties(record: BucketRecord): JsonObject {
  const { backend, ref } = record
  const properties = resolveProperties(backend, record.properties)
  return {
    backend_bck: encodeBackendBucket(record),
    write_policy: { data: 'immediate', md: 'immediate' },
    provider: ref.provider,
    Renamed: '',
    checksum: {
      type: 'xxhash2',
      validate_cold_get: backend !== undefined,
      validate_warm_get: properties.verifyWarm,
      validate_obj_move: false,
      enable_read_range: false,
    },
    extra: { aws: encodeAws(backend), gcp: {}, oci: {} },
    ...FIXED_SECTIONS,
    lru: {
      dont_evict_time: '0s',
      capacity_upd_time: '10m',
      batch_size: 32768,
      enabled: properties.evictable,
    },
    access: ACCESS_ALL,
    features: '0',
    bid: String(backend === undefined ? NATIVE_ID_BASE + BigInt(record.id) : record.id),
    created: String(BigInt(Math.round(record.createdMs)) * 1_000_000n),
    versioning: {
      enabled: backend !== undefined,
      validate_warm_get: properties.revalidate.kind === 'always' && backend !== undefined,
      synchronize: false,
    },
    forebay: {
      ...formatProperties(properties),
      aliases: [...record.aliases],
      ...(backend === undefined ? {} : { backend: encodeBackend(backend) }),
    },
  }
}

/** Sections for features that a bucket does not have yet: AIStore's defaults, switched off. */
const FIXED_SECTIONS: JsonObject = {
  rate_limit: {
    backend: { interval: '1m', max_tokens: 1000, enabled: false, num_retries: 3 },
    frontend: { interval: '1m', max_tokens: 1000, enabled: false, burst_size: 375 },
  },
  ec: {
    compression: 'never',
    bundle_multiplier: 2,
    burst_buffer: 512,
    objsize_limit: 262144,
    data_slices: 2,
    parity_slices: 2,
    enabled: false,
    disk_only: false,
  },
  chunks: { objsize_limit: '0B', max_monolithic_size: '1TiB', chunk_size: '1GiB' },
  mirror: { copies: 2, burst_buffer: 512, enabled: false },
}

/** The other bucket that stands behind an `ais://` bucket; empty where there is none. */
function encodeBackendBucket(record: BucketRecord): JsonObject {
  const global = { uuid: '', name: '' }
  const { backend, ref } = record
  const provider = backend?.provider
  const isCloud = provider === 'aws' || provider === 'gcp' || provider === 'azure'
  return backend !== undefined && isCloud && ref.provider === 'ais'
    ? encodeBucket({ name: backend.bucket, provider, namespace: global })
    : { name: '', provider: '', namespace: global }
}

function encodeAws(backend: BackendBinding | undefined): JsonObject {
  if (backend?.provider !== 'aws') return {}
  return {
    ...(backend.region === undefined ? {} : { cloud_region: backend.region }),
    ...(backend.endpoint === undefined ? {} : { endpoint: backend.endpoint }),
    ...(backend.profile === undefined ? {} : { profile: backend.profile }),
  }
}

function encodeBackend(backend: BackendBinding): JsonObject {
  return {
    provider: backend.provider,
    bucket: backend.bucket,
    ...(backend.endpoint === undefined ? {} : { endpoint: backend.endpoint }),
    ...(backend.region === undefined ? {} : { region: backend.region }),
    ...(backend.profile === undefined ? {} : { profile: backend.profile }),
    ...(backend.forcePathStyle === undefined ? {} : { force_path_style: backend.forcePathStyle }),
  }
}
