/** Eviction by order: the policies choose, as they do when a disk is full. */
import { LRU } from '@forebay/jobs/kinds/lru'
import { argsOf } from '../args-of.ts'
import type { KindWork } from '../kind-work.ts'

/** What one round frees, bytes: who waits for room waits for a round at most, and so does a pause. */
const ROUND_BYTES = 256 * 1024 ** 2

/** Each mountpath is an item; what it moved is what was freed there. */
export const LRU_WORK: KindWork = {
  name: LRU.name,
  list: async ({ own, nodeId }) => {
    const items = own.store.context.drives.map(({ mountpath }) => ({ key: mountpath.root }))
    return { pages: items.length === 0 ? [] : [{ owner: nodeId, items }], cursor: undefined }
  },
  apply: async (context, { job, item, lease }) => {
    const { context: store, evictor } = context.own.store
    const { toPercent } = argsOf(LRU, job)
    const share = toPercent === undefined ? undefined : toPercent / 100
    const bucketId = job.bucket === undefined ? undefined : context.bucketOf(job).id
    const drive = store.drives.find(({ mountpath }) => mountpath.root === item.key)
    if (drive === undefined) return { kind: 'skipped', why: 'absent' }
    let bytes = 0
    for (;;) {
      const above = drive.space.bytesAbove(share)
      if (above === 0) break
      lease.check()
      const freed = await evictor.free(
        { mountpath: drive.mountpath.number, bucketId },
        { bytes: Math.min(above, ROUND_BYTES), signal: lease.signal },
      )
      bytes += freed.bytes
      lease.signal.throwIfAborted()
      if (freed.bytes === 0) break
    }
    return bytes > 0 ? { kind: 'done', bytes } : { kind: 'skipped', why: 'nothing to evict' }
  },
}
