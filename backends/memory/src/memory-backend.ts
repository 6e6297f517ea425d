import type {
  Backend,
  Call,
  Capabilities,
  HeadResult,
  ListResult,
  ReadOptions,
  ReadResult,
} from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import { LIST_PAGE_MAX, PUT_BYTES_MAX } from '@forebay/base/limits'
import { matchesPin } from '@forebay/model/version'
import { AnswerBody } from './answer-body.ts'
import { listKeys } from './list-keys.ts'
import type { StoredVersion } from './memory-bucket.ts'
import { createMutations } from './memory-mutations.ts'
import type { MemoryStore } from './memory-store.ts'
import { createTagging, versionOf } from './memory-tagging.ts'
import { serve } from './serve.ts'

export interface MemoryBackendOptions {
  /** What this backend shall be without; default: it can do everything. */
  readonly capabilities?: Partial<Capabilities>
}

/** Everything the store can do. */
export const MEMORY_CAPABILITIES: Capabilities = {
  rangedRead: true,
  pinnedRead: true,
  conditionalWrite: true,
  conditionalDelete: true,
  multipart: 'native',
  serverSideCopy: true,
  write: true,
  listPageMax: LIST_PAGE_MAX,
  putBytesMax: PUT_BYTES_MAX,
}

/**
 * One bucket of a `MemoryStore` as a backend. Several backends of one store see the same objects.
 *
 * The bucket need not exist: operations then fail with `bucket-not-found`.
 */
export function createMemoryBackend(
  store: MemoryStore,
  bucket: string,
  options: MemoryBackendOptions = {},
): Backend {
  const capabilities = { ...MEMORY_CAPABILITIES, ...options.capabilities }
  const place: Place = { store, bucket, capabilities }
  return {
    name: `memory://${bucket}`,
    capabilities,
    mutations: capabilities.write ? createMutations(place) : undefined,
    tagging: createTagging(place),
    read: (request) => read(place, request),
    head: (request) =>
      serve(place, { operation: 'head', ...request }, () => {
        const version = versionOf(place, request)
        if (version === undefined) return { kind: 'absent' }
        return { kind: 'found', attributes: store.attributesOf(version) } satisfies HeadResult
      }),
    list: (request) =>
      serve(place, { operation: 'list', key: undefined, signal: request.signal }, () => {
        const pageMax = Math.min(request.pageMax, capabilities.listPageMax)
        return list(place, { ...request, pageMax })
      }),
    headBucket: (call) => headBucket(place, call),
    close: () => Promise.resolve(),
  }
}

/** Where requests go and what they may ask. */
export interface Place {
  readonly store: MemoryStore
  readonly bucket: string
  readonly capabilities: Capabilities
}

function read(place: Place, request: ReadOptions): Promise<ReadResult> {
  const { store, capabilities } = place
  const wanted = capabilities.rangedRead ? request.range : undefined
  return serve(place, { operation: 'read', ...request, range: wanted }, (faults): ReadResult => {
    const version = pick(place, request)
    if (version === undefined || version === 'changed') {
      return { kind: version === undefined ? 'absent' : 'changed' }
    }
    const validators = store.validatorsOf(version)
    if (request.unless !== undefined && matchesPin(request.unless, validators)) {
      return { kind: 'not-modified' }
    }
    const range = within(version, wanted)
    return {
      kind: 'found',
      attributes: store.attributesOf(version),
      range,
      sizeBytes: version.source.sizeBytes,
      body: new AnswerBody({ store, version, range, faults, signal: request.signal }),
    }
  })
}

/** The version that a read is answered with: the pinned one where the store still has it. */
function pick(place: Place, request: ReadOptions): StoredVersion | 'changed' | undefined {
  const bucket = place.store.bucket(place.bucket)
  const { pin = { kind: 'none' }, pinnedSizeBytes } = request
  const pinned =
    pin.kind === 'version-id' && place.capabilities.pinnedRead
      ? bucket.version(request.key, pin.versionId)
      : undefined
  const version = pinned ?? bucket.current(request.key)
  if (version === undefined || pin.kind === 'none') return version
  const { sizeBytes } = version.source
  if (pinnedSizeBytes !== undefined && pinnedSizeBytes !== sizeBytes) return 'changed'
  return matchesPin(pin, place.store.validatorsOf(version)) ? version : 'changed'
}

function within(
  version: StoredVersion,
  range: ReadOptions['range'],
): { readonly offset: number; readonly lengthBytes: number } {
  const { sizeBytes } = version.source
  if (range === undefined) return { offset: 0, lengthBytes: sizeBytes }
  if (range.offset >= sizeBytes) {
    const asked = `byte ${range.offset} of an object of ${sizeBytes} bytes`
    throw new Failure('range-not-satisfiable', `a read begins at ${asked}`)
  }
  return {
    offset: range.offset,
    lengthBytes: Math.min(range.lengthBytes, sizeBytes - range.offset),
  }
}

function list(place: Place, request: Parameters<Backend['list']>[0]): ListResult {
  const bucket = place.store.bucket(place.bucket)
  const page = listKeys(bucket.sortedKeys(), request)
  const objects = page.keys.flatMap((key) => {
    const version = bucket.current(key)
    if (version === undefined) return []
    const { sizeBytes, etag, lastModifiedMs, storageClass } = place.store.attributesOf(version)
    return [{ key, sizeBytes, etag, lastModifiedMs, storageClass }]
  })
  return { objects, commonPrefixes: page.commonPrefixes, nextToken: page.nextToken }
}

function headBucket(place: Place, call: Call): ReturnType<Backend['headBucket']> {
  return serve(place, { operation: 'head-bucket', key: undefined, signal: call.signal }, () => {
    const bucket = place.store.findBucket(place.bucket)
    if (bucket === undefined) return undefined
    return { name: bucket.name, createdMs: bucket.createdMs, region: undefined }
  })
}
