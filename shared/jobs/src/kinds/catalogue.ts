import type { JobKind } from '../kind.ts'
import { ARCHIVE } from './archive.ts'
import { BLOB_DOWNLOAD } from './blob-download.ts'
import { CLEANUP } from './cleanup.ts'
import { COPY_BUCKET } from './copy-bucket.ts'
import { COPY_OBJECTS } from './copy-objects.ts'
import { DELETE } from './delete.ts'
import { DOWNLOAD } from './download.ts'
import { EVICT } from './evict.ts'
import { INVENTORY } from './inventory.ts'
import { LRU } from './lru.ts'
import { PREFETCH } from './prefetch.ts'
import { PROMOTE } from './promote.ts'
import { RENAME_BUCKET } from './rename-bucket.ts'
import { SCRUB } from './scrub.ts'
import { SUMMARY } from './summary.ts'
import { WARM_UP_METADATA } from './warm-up-metadata.ts'

/** Every kind of job, in the order in which they are shown. */
export const JOB_KINDS: readonly JobKind[] = [
  PREFETCH,
  EVICT,
  DOWNLOAD,
  COPY_BUCKET,
  COPY_OBJECTS,
  DELETE,
  RENAME_BUCKET,
  PROMOTE,
  ARCHIVE,
  SUMMARY,
  INVENTORY,
  BLOB_DOWNLOAD,
  WARM_UP_METADATA,
  LRU,
  CLEANUP,
  SCRUB,
]

const BY_NAME: ReadonlyMap<string, JobKind> = new Map(JOB_KINDS.map((kind) => [kind.name, kind]))

export function jobKind(name: string): JobKind | undefined {
  return BY_NAME.get(name)
}
