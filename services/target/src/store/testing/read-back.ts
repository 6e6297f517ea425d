import { Buffer } from 'node:buffer'
import { readSync } from 'node:fs'
import type { ObjectStore } from '../contract.ts'

/** The bytes under a key; undefined when there is no record, `'corrupt'` when its file is not its. */
export function read(
  store: ObjectStore,
  bucketId: number,
  key: string,
): string | 'corrupt' | undefined {
  const record = store.get(bucketId, key)
  if (record === undefined) return undefined
  const lease = store.open(record)
  if (lease === undefined) return 'corrupt'
  try {
    const bytes = Buffer.alloc(record.attributes.sizeBytes)
    readSync(lease.fd, bytes, 0, bytes.length, lease.offset)
    return bytes.toString()
  } finally {
    lease.release()
  }
}
