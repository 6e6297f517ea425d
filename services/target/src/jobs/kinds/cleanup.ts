/** What a cleanup removes: each thing is looked at again under its lock, for the list may be old. */
import type { Lease } from '@forebay/jobs/engine'
import type { JobItem, JobRecord } from '@forebay/jobs/job'
import { CLEANUP } from '@forebay/jobs/kinds/cleanup'
import {
  removeSystemObject,
  removeUpload,
  scanParts,
  uploadLock,
} from '../../objects/multipart-native.ts'
import { SYSTEM_BUCKET_ID } from '../../objects/system-bucket.ts'
import { evictEntry } from '../../space/evict-entry.ts'
import { argsOf } from '../args-of.ts'
import type { ItemResult, JobContext, KindWork } from '../kind-work.ts'
import { isCopyOver, isUploadOver, listCleanup, rulesOfJob, uploadAt } from './cleanup-list.ts'

/** Parts looked at together. */
const PARTS_PAGE_MAX = 1000

const ABSENT: ItemResult = { kind: 'skipped', why: 'absent' }

interface Work {
  readonly job: JobRecord
  readonly item: JobItem
  readonly lease: Lease
}

/** The entry of the index that an item names. */
interface Named {
  readonly bucketId: number
  readonly key: string
  readonly counter: number
}

export const CLEANUP_WORK: KindWork = {
  name: CLEANUP.name,
  list: (context, { job, cursor }) => listCleanup(context, job, cursor),
  apply: async (context, work) => {
    const { job, item } = work
    if (argsOf(CLEANUP, job).dryRun === true) return { kind: 'skipped', why: 'would go' }
    const what = item.extra?.['what']
    if (what === 'trash') return emptyTrash(context, work)
    const named = nameOf(item)
    if (named === undefined) return ABSENT
    switch (what) {
      case 'upload':
        return dropUpload(context, work, named)
      case 'part':
        return dropPart(context, work, named)
      default:
        return dropCopy(context, work, named)
    }
  },
}

function nameOf({ extra }: JobItem): Named | undefined {
  const { bucketId, key, counter } = extra ?? {}
  const isNamed =
    typeof bucketId === 'number' && typeof key === 'string' && typeof counter === 'number'
  return isNamed ? { bucketId, key, counter } : undefined
}

/** It may be under way already; either way it is over when this resolves. */
async function emptyTrash({ own }: JobContext, { item, lease }: Work): Promise<ItemResult> {
  const number = item.extra?.['mountpath']
  const drive = own.store.context.drives.find(({ mountpath }) => mountpath.number === number)
  if (drive === undefined) return ABSENT
  lease.check()
  drive.trash.empty()
  await drive.trash.idle()
  return { kind: 'done', bytes: 0 }
}

async function dropUpload(
  context: JobContext,
  { job, lease }: Work,
  { key }: Named,
): Promise<ItemResult> {
  const { objects } = context.own
  const listed = uploadAt(context, key)
  if (listed === undefined) return ABSENT
  return objects.locks.hold(uploadLock(listed.uploadId), async () => {
    const upload = uploadAt(context, key)
    if (upload === undefined || !isUploadOver(context, rulesOfJob(context, job), upload)) {
      return ABSENT
    }
    const bytes = partBytes(context, upload.uploadId)
    lease.check()
    await removeUpload(objects, upload, false)
    return { kind: 'done', bytes }
  })
}

function partBytes({ own }: JobContext, uploadId: string): number {
  let bytes = 0
  for (let after: string | undefined = ''; after !== undefined; ) {
    const page: ReturnType<typeof scanParts> = scanParts(own.objects, uploadId, {
      ...{ after, pageMax: PARTS_PAGE_MAX },
    })
    for (const { sizeBytes } of page.objects) bytes += sizeBytes
    after = page.next
  }
  return bytes
}

async function dropPart({ own }: JobContext, { lease }: Work, named: Named): Promise<ItemResult> {
  const header = own.store.context.index.header(named)
  if (header?.counter !== named.counter) return ABSENT
  lease.check()
  await removeSystemObject(own.objects, named.key, false)
  return { kind: 'done', bytes: header.allocatedBytes }
}

async function dropCopy(
  context: JobContext,
  { job, lease }: Work,
  { bucketId, key, counter }: Named,
): Promise<ItemResult> {
  const { store } = context.own
  const header = store.context.index.header({ bucketId, key })
  const isSame = bucketId !== SYSTEM_BUCKET_ID && header?.counter === counter
  if (header === undefined || !isSame) return ABSENT
  const entry = { bucketId, key, header, bytes: Buffer.alloc(0) }
  const isDue = () => {
    lease.check()
    return isCopyOver(context, rulesOfJob(context, job), entry)
  }
  const hasLeft = await evictEntry(store.context, entry, { why: 'stale', isDue })
  return hasLeft
    ? { kind: 'done', bytes: header.allocatedBytes }
    : { kind: 'skipped', why: 'in use' }
}
