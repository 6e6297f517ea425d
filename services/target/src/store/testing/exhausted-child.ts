/**
 * A process that has used up its file descriptors: opens a store, stores objects, takes every
 * descriptor that is left, and tells on standard output what the store then does.
 *
 * Arguments: mountpath. The caller sets the limit.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { isFailure } from '@forebay/base/failure'
import {
  CACHED,
  LAZY,
  NATIVE,
  openTestStore,
  put,
  putPartial,
  putSmall,
  SYNC,
} from './store-fixture.ts'

const [root = ''] = process.argv.slice(2)
// Of an earlier process, so that its pack is open for reading only when somebody reads.
const before = await openTestStore([root])
await putSmall(before.store, 'small', Buffer.from('small'))
await before.store.close()
const { store, events } = await openTestStore([root])
const native = await put(store, { bucket: NATIVE, key: 'native', text: 'native' })
const cached = await put(store, { bucket: CACHED, key: 'cached', text: 'cached' }, LAZY)
const partial = await putPartial(store, 'partial', 10_000)
const kept = await put(store, { bucket: NATIVE, key: 'kept', text: 'kept' })
await store.context.index.settled()

const tried = async (act: () => unknown): Promise<string> => {
  try {
    const result = await act()
    return result === undefined ? 'not the file' : 'done'
  } catch (error) {
    return isFailure(error) ? error.code : String(error)
  }
}

// One file is open for the next read; it is what gives way first.
store.open(kept)?.release()
const work = await store.createWork(NATIVE, 'native', 3)
writeSync(work.fd, 'new')
for (const { spares } of store.context.drives) await spares.close()
const small = store.get(CACHED.id, 'small')
if (small === undefined) throw new Error('nothing was stored')
const room = await store.holdRoom(CACHED, 'more', 4)
const taken = takeAll()
const shedFirst = await tried(() => store.open(native)?.release() ?? 'opened')
takeAll(taken)
// What a pack has open gives way as well, to a file and to another pack.
store.context.files.shed()
store.open(small)?.release()
takeAll(taken)
const shedPack = await tried(() => store.open(kept)?.release() ?? 'opened')
const shedFile = await tried(() => store.open(small)?.release() ?? 'opened')
const shedNew = await tried(() => store.open(kept)?.release() ?? 'opened')
const report = {
  shedFirst,
  shedPack,
  shedFile,
  shedNew,
  // The descriptor of `native` is open for the next read now, and gives way to `cached`.
  held: store.open(native) !== undefined,
  cached: await tried(() => store.open(cached)),
  small: await tried(() => store.open(small)),
  smallMore: await tried(() => room.store(Buffer.from('more'))),
  partial: await tried(() => store.openPartial(partial)),
  write: await tried(() => store.createWork(NATIVE, 'other', 0)),
  overwrite: await tried(() =>
    store.commit({ bucket: CACHED, key: 'cached', work }, recordOfNew(), SYNC),
  ),
  records: ['native', 'kept'].map((key) => store.get(7, key) !== undefined),
  entries: ['cached', 'partial', 'small'].map((key) => store.get(8, key) !== undefined),
  corrupt: events.filter(({ event }) => event === 'record-corrupt').length,
  afterwards: '',
}
for (const fd of taken) closeSync(fd)
report.afterwards = await tried(() => store.open(cached) && store.open(small))
writeSync(1, JSON.stringify(report))
process.exit(0)

function recordOfNew() {
  const { attributes, contentXxh64, pin, validatedMs } = cached
  return { attributes: { ...attributes, sizeBytes: 3 }, contentXxh64, pin, validatedMs }
}

function takeAll(taken: number[] = []): number[] {
  for (;;) {
    try {
      taken.push(openSync('/dev/null', 'r'))
    } catch {
      // No descriptor is left.
      return taken
    }
  }
}
