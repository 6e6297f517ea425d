import { type BucketRef, formatBucket } from '@forebay/model/bucket'
import type { JsonObject } from './json.ts'

/** Names in one piece of an inventory as AIStore makes them. */
const NAMES_PER_CHUNK = 20_000

/** An inventory as AIStore's clients are told of it. */
export interface WireInventory {
  readonly ref: BucketRef
  readonly name: string
  readonly objects: number
  readonly fileBytes: number
  /** Wall clock when its list was begun, ms. */
  readonly startedMs: number
  /** Absent where it is not known any more. */
  readonly endedMs: number | undefined
}

/** The answer to `show-inventory`: by name, times in nanoseconds. */
export function encodeInventory(inventory: WireInventory): JsonObject {
  const { ref, name, objects, fileBytes, startedMs, endedMs } = inventory
  const { provider, namespace } = ref
  const objectName = `${provider}/@${namespace.uuid}#${namespace.name}/${ref.name}/${name}`
  return {
    [objectName]: {
      bucket: formatBucket(ref),
      name,
      obj_name: objectName,
      size: fileBytes,
      started: startedMs * 1_000_000,
      ...(endedMs === undefined ? {} : { finished: endedMs * 1_000_000 }),
      ntotal: objects,
      smap_ver: 1,
      chunks: Math.ceil(objects / NAMES_PER_CHUNK),
      nat: 1,
    },
  }
}
