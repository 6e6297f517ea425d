/**
 * How files of the node become objects: the directory is walked in order, and each file stored as it was
 * when it was listed; one that changes meanwhile is left alone.
 */
import { isFailure } from '@forebay/base/failure'
import { checkSchema } from '@forebay/jobs/check-schema'
import type { Lease } from '@forebay/jobs/engine'
import type { JobItem, JobRecord } from '@forebay/jobs/job'
import { PROMOTE } from '@forebay/jobs/kinds/promote'
import type { Guard } from '@forebay/peer/target-port'
import { argsOf } from '../args-of.ts'
import type { ItemResult, JobContext, KindWork } from '../kind-work.ts'
import { beganMs } from './delete-listed.ts'
import { checkPath, type FoundFile, listFiles, openRoot } from './promote-files.ts'
import { openFile, type PromotedFile, removeFile } from './promoted-file.ts'

/** What an object's metadata calls the version of the file that it was. */
const FILE_VERSION_METADATA = 'forebay-source-file'

interface Work {
  readonly job: JobRecord
  readonly item: JobItem
  readonly lease: Lease
}

export const PROMOTE_WORK: KindWork = {
  name: 'promote',
  vet: (context, args) => {
    checkPath(context, checkSchema(PROMOTE.args, args, 'args').source)
  },
  list: async (context, { job, cursor }) => {
    const { source, recursive, prepend = '', name: wanted } = argsOf(PROMOTE, job)
    const root = await openRoot(context, source)
    const { files, next } = await listFiles(root, { recursive: recursive === true, after: cursor })
    const keyOf = ({ path, name }: FoundFile): string => {
      if (wanted === undefined) return `${prepend}${name}`
      return path === root ? wanted : `${wanted}/${name}`
    }
    const items = files.map((file) => {
      const { path, version, sizeBytes } = file
      return { key: keyOf(file), version, sizeBytes, extra: { path } }
    })
    // The files are here, whoever owns the keys.
    return { pages: items.length === 0 ? [] : [{ owner: context.nodeId, items }], cursor: next }
  },
  apply: promoteFile,
}

async function promoteFile(context: JobContext, work: Work): Promise<ItemResult> {
  const { job, item, lease } = work
  const { source, overwrite, deleteSource } = argsOf(PROMOTE, job)
  const path = item.extra?.['path']
  if (typeof path !== 'string') return { kind: 'skipped', why: 'absent' }
  checkPath(context, source)
  // Items come from the engine, which is another machine's.
  checkPath(context, path)
  const file = await openFile(path)
  if (file === undefined) return { kind: 'skipped', why: 'absent' }
  try {
    if (file.version.etag !== item.version?.etag) return { kind: 'skipped', why: 'changed' }
    const result = await store(context, work, { file, overwrite: overwrite === true })
    const isStored = result.kind === 'done' || result.why === 'equal'
    if (deleteSource !== true || !isStored) return result
    lease.check()
    await removeFile(path, file.version)
    return result
  } finally {
    await file.close()
  }
}

async function store(
  context: JobContext,
  { job, item, lease }: Work,
  { file, overwrite }: { readonly file: PromotedFile; readonly overwrite: boolean },
): Promise<ItemResult> {
  const bucket = context.bucketOf(job)
  const { key } = item
  const { target } = context
  const head = await target.head({
    ...{ bucket, key, conditions: {}, latest: true, signal: lease.signal },
  })
  const there = head.kind === 'found' ? head.attributes : undefined
  const { etag } = file.version
  if (there?.metadata[FILE_VERSION_METADATA] === etag) return { kind: 'skipped', why: 'equal' }
  if (there !== undefined && !overwrite) return { kind: 'skipped', why: 'exists' }
  const guard: Guard = {
    version: there ?? 'absent',
    beforeMs: beganMs(job),
    check: () => lease.check(),
  }
  try {
    await target.write({
      ...{ bucket, key, headers: {}, conditions: {}, stated: [], md5: true, guard },
      metadata: { [FILE_VERSION_METADATA]: etag },
      body: file.body(),
      signal: lease.signal,
    })
    return { kind: 'done', bytes: file.sizeBytes }
  } catch (error) {
    if (isFailure(error, 'precondition-failed', 'object-not-found')) {
      return { kind: 'skipped', why: 'changed' }
    }
    throw error
  }
}
