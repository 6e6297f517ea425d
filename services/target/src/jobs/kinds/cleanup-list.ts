/** What a cleanup finds: one way through the index of the node, in the order of its names. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { type ListedStep, PAGE_ITEMS_MAX } from '@forebay/jobs/engine'
import type { JobItem, JobRecord } from '@forebay/jobs/job'
import { CLEANUP } from '@forebay/jobs/kinds/cleanup'
import { formatBucket } from '@forebay/model/bucket'
import { parseDescription, type UploadDescription } from '../../objects/multipart-record.ts'
import { SYSTEM_BUCKET_ID } from '../../objects/system-bucket.ts'
import { expiryOf, rulesOf } from '../../space/bucket-rules.ts'
import type { ScanPage } from '../../store/contract.ts'
import { encodeName } from '../../store/index-db.ts'
import { OWN } from '../../store/mountpath.ts'
import { type SweptEntry, sweepPage } from '../../store/scan.ts'
import { argsOf } from '../args-of.ts'
import type { JobContext } from '../kind-work.ts'

const DAY_MS = 86_400_000

/** For so long the answer of a completed upload is kept for a client that asks again, ms. */
const COMPLETED_KEPT_MS = DAY_MS

/** Pages of the index in one step where nothing is found. */
const PAGES_PER_STEP = 64

/** What an item is about, as its `extra` tells. */
export type Cleaned = 'trash' | 'upload' | 'part' | 'copy'

/** What has to go. */
export interface CleanupRules {
  readonly nowMs: number
  /** Only of this bucket. */
  readonly bucketId: number | undefined
  readonly uploadsBeforeMs: number | undefined
  readonly partialBeforeMs: number | undefined
}

export function rulesOfJob(context: JobContext, job: JobRecord): CleanupRules {
  const { uploadsOlderThanDays, partialOlderThanDays } = argsOf(CLEANUP, job)
  const nowMs = context.clock.now()
  const before = (days: number | undefined) =>
    days === undefined ? undefined : nowMs - days * DAY_MS
  return {
    nowMs,
    bucketId: job.bucket === undefined ? undefined : context.bucketOf(job).id,
    uploadsBeforeMs: before(uploadsOlderThanDays),
    partialBeforeMs: before(partialOlderThanDays),
  }
}

/** One step: what waits to be deleted first, then page by page what the index has. */
export async function listCleanup(
  context: JobContext,
  job: JobRecord,
  cursor: string | undefined,
): Promise<ListedStep> {
  const rules = rulesOfJob(context, job)
  const { index } = context.own.store.context
  const items = cursor === undefined && rules.bucketId === undefined ? await listTrash(context) : []
  await index.settled()
  let next: Uint8Array | undefined =
    cursor === undefined ? encodeName(SYSTEM_BUCKET_ID, '') : Buffer.from(cursor, 'base64')
  for (let pages = 0; next !== undefined && items.length === 0 && pages < PAGES_PER_STEP; pages++) {
    const page = sweepPage(index.databases, next, PAGE_ITEMS_MAX)
    const begun = page.entries.some(isOldPart(rules)) ? beginningsOf(context) : undefined
    for (const entry of page.entries) {
      if (isOldPart(rules)(entry) && begun?.has(uploadIdOf(entry.key)) === false) {
        items.push(itemOf('part', `part ${entry.key}`, entry))
      } else items.push(...itemsOf(context, rules, entry))
    }
    next = page.next === undefined ? undefined : behind(context, rules, page)
    await turn()
  }
  return {
    pages: items.length === 0 ? [] : [{ owner: context.nodeId, items }],
    cursor: next && Buffer.from(next).toString('base64'),
  }
}

async function listTrash({ own }: JobContext): Promise<JobItem[]> {
  const items: JobItem[] = []
  for (const { mountpath } of own.store.context.drives) {
    const names = await readdir(join(mountpath.root, OWN.trash)).catch(() => [])
    if (names.length === 0) continue
    const extra = { what: 'trash', mountpath: mountpath.number }
    items.push({ key: `trash of ${mountpath.root}`, extra })
  }
  return items
}

/** Where to go on: at the next bucket when this one has nothing that could go. */
function behind(
  { own }: JobContext,
  { bucketId, partialBeforeMs }: CleanupRules,
  {
    entries,
    next,
  }: { readonly entries: readonly SweptEntry[]; readonly next: Uint8Array | undefined },
): Uint8Array | undefined {
  const last = entries.at(-1)?.bucketId
  if (last === undefined || last === SYSTEM_BUCKET_ID) return next
  if (bucketId !== undefined && last > bucketId) return undefined
  const row = own.store.context.bucketOf(last)
  const isOther = bucketId !== undefined && last !== bucketId
  const isLeft =
    row === undefined || (rulesOf(row).ttlMinMs === undefined && partialBeforeMs === undefined)
  return isOther || isLeft ? encodeName(last + 1, '') : next
}

function itemsOf(context: JobContext, rules: CleanupRules, entry: SweptEntry): readonly JobItem[] {
  const { bucketId, key } = entry
  if (bucketId !== SYSTEM_BUCKET_ID) {
    if (!isCopyOver(context, rules, entry)) return []
    const row = context.own.store.context.bucketOf(bucketId)
    const name = row === undefined ? String(bucketId) : formatBucket(row.ref)
    return [itemOf('copy', `copy of ${name}/${key}`, entry)]
  }
  if (key.startsWith('m/')) {
    const upload = uploadAt(context, key)
    if (upload === undefined || !isUploadOver(context, rules, upload)) return []
    return [itemOf('upload', `upload ${upload.uploadId}`, entry)]
  }
  return []
}

function itemOf(what: Cleaned, name: string, { bucketId, key, header }: SweptEntry): JobItem {
  const extra = { what, bucketId, key, counter: header.counter }
  return { key: name, sizeBytes: header.allocatedBytes, extra }
}

/** Parts whose upload has no beginning any more: a crash came while it was removed. */
function isOldPart({ nowMs, bucketId: only }: CleanupRules): (entry: SweptEntry) => boolean {
  return ({ bucketId, key, header }) =>
    only === undefined &&
    bucketId === SYSTEM_BUCKET_ID &&
    key.startsWith('p/') &&
    header.storedMs < nowMs - DAY_MS
}

function uploadIdOf(partKey: string): string {
  return partKey.slice('p/'.length, partKey.lastIndexOf('/'))
}

/**
 * Ids of all uploads that have a beginning; each is made before its first part. Absent while a mountpath
 * is away, which may have some.
 */
function beginningsOf({ own }: JobContext): ReadonlySet<string> | undefined {
  const { store } = own
  if (store.mountpaths.list().length !== store.context.drives.length) return undefined
  const ids = new Set<string>()
  let after: string | undefined = ''
  while (after !== undefined) {
    const page: ScanPage = store.scan({
      ...{ bucketId: SYSTEM_BUCKET_ID, prefix: 'm/', delimiter: undefined, after },
      pageMax: PAGE_ITEMS_MAX,
    })
    for (const { key } of page.objects) ids.add(key.slice(key.lastIndexOf('\0') + 1))
    after = page.next
  }
  return ids
}

export function uploadAt({ own }: JobContext, systemKey: string): UploadDescription | undefined {
  const record = own.store.context.index.current(SYSTEM_BUCKET_ID, systemKey)
  return record === undefined ? undefined : parseDescription(record)
}

/** True for an upload of a bucket that is gone, for one that was answered long ago, and by its age. */
export function isUploadOver(
  { own }: JobContext,
  { nowMs, bucketId, uploadsBeforeMs }: CleanupRules,
  upload: UploadDescription,
): boolean {
  if (bucketId !== undefined && upload.bucketId !== bucketId) return false
  if (own.store.context.bucketOf(upload.bucketId) === undefined) return true
  const { completing, initiatedMs } = upload
  if (completing?.done === true) return completing.atMs < nowMs - COMPLETED_KEPT_MS
  return uploadsBeforeMs !== undefined && initiatedMs < uploadsBeforeMs
}

/** True for a copy whose time to live is over, and for a partial one by its age. */
export function isCopyOver(
  { own }: JobContext,
  { nowMs, bucketId: only, partialBeforeMs }: CleanupRules,
  { bucketId, key, header }: Pick<SweptEntry, 'bucketId' | 'key' | 'header'>,
): boolean {
  const row = own.store.context.bucketOf(bucketId)
  if (row?.backend === undefined || (only !== undefined && bucketId !== only)) return false
  const expiryMs = expiryOf(rulesOf(row), key, header.storedMs)
  if (expiryMs !== undefined && expiryMs <= nowMs) return true
  return header.partial && partialBeforeMs !== undefined && header.storedMs < partialBeforeMs
}
