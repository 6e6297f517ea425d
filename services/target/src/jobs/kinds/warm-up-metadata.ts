import { PAGE_ITEMS_MAX } from '@forebay/jobs/engine'
import { WARM_UP_METADATA } from '@forebay/jobs/kinds/warm-up-metadata'
import { RECORDS_CACHED_MAX } from '../../store/record-cache.ts'
import { argsOf } from '../args-of.ts'
import type { KindWork } from '../kind-work.ts'
import { listSelected } from '../select-items.ts'

/** Beyond half of what memory keeps, the first would leave it again as the last come. */
const RECORDS_MAX = RECORDS_CACHED_MAX / 2

/** Loads the records of what is stored here; no store is asked, and objects that are not here stay away. */
export const WARM_UP_METADATA_WORK: KindWork = {
  name: WARM_UP_METADATA.name,
  list: async (context, { job, cursor, lease }) => {
    const bucket = context.bucketOf(job)
    const { pages, token } = readCursor(cursor)
    const { prefix = '' } = argsOf(WARM_UP_METADATA, job)
    const selection = { prefix }
    const listed = await listSelected(context, {
      ...{ bucket, selection, cursor: token, lease, cachedOnly: true },
    })
    const isFull = (pages + 2) * PAGE_ITEMS_MAX > RECORDS_MAX
    const isOver = isFull || listed.cursor === undefined
    return { pages: listed.pages, cursor: isOver ? undefined : `${pages + 1} ${listed.cursor}` }
  },
  apply: async (context, { job, item }) => {
    const { index } = context.own.store.context
    const record = index.current(context.bucketOf(job).id, item.key)
    return record === undefined ? { kind: 'skipped', why: 'absent' } : { kind: 'done', bytes: 0 }
  },
}

/** Pages listed before, and where the list goes on. */
function readCursor(cursor: string | undefined): {
  readonly pages: number
  readonly token: string | undefined
} {
  if (cursor === undefined) return { pages: 0, token: undefined }
  const space = cursor.indexOf(' ')
  return { pages: Number(cursor.slice(0, space)), token: cursor.slice(space + 1) }
}
