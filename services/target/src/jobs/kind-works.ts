import type { KindWork } from './kind-work.ts'
import { ARCHIVE_WORK } from './kinds/archive.ts'
import { BLOB_DOWNLOAD_WORK } from './kinds/blob-download.ts'
import { CLEANUP_WORK } from './kinds/cleanup.ts'
import { COPY_BUCKET_WORK } from './kinds/copy-bucket.ts'
import { COPY_OBJECTS_WORK } from './kinds/copy-objects.ts'
import { DELETE_WORK } from './kinds/delete.ts'
import { DOWNLOAD_WORK } from './kinds/download.ts'
import { EVICT_WORK } from './kinds/evict.ts'
import { INVENTORY_WORK } from './kinds/inventory.ts'
import { LRU_WORK } from './kinds/lru.ts'
import { PREFETCH_WORK } from './kinds/prefetch.ts'
import { PROMOTE_WORK } from './kinds/promote.ts'
import { RENAME_BUCKET_WORK } from './kinds/rename-bucket.ts'
import { SCRUB_WORK } from './kinds/scrub.ts'
import { SUMMARY_WORK } from './kinds/summary.ts'
import { WARM_UP_METADATA_WORK } from './kinds/warm-up-metadata.ts'

/** How each kind of job is done: one for every name of the catalogue of `@forebay/jobs`. */
export const KIND_WORKS: readonly KindWork[] = [
  PREFETCH_WORK,
  EVICT_WORK,
  DOWNLOAD_WORK,
  COPY_BUCKET_WORK,
  COPY_OBJECTS_WORK,
  DELETE_WORK,
  RENAME_BUCKET_WORK,
  PROMOTE_WORK,
  ARCHIVE_WORK,
  SUMMARY_WORK,
  INVENTORY_WORK,
  BLOB_DOWNLOAD_WORK,
  WARM_UP_METADATA_WORK,
  LRU_WORK,
  CLEANUP_WORK,
  SCRUB_WORK,
]
