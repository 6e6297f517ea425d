import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { armFailpoints, failpointPassed } from '@forebay/base/failpoint'
import { isFailure } from '@forebay/base/failure'
import { afterEach, expect, test } from 'vitest'
import { compact } from './compaction.ts'
import { writeSyncMark } from './sync-mark.ts'
import { read } from './testing/read-back.ts'
import {
  CACHED,
  LAZY,
  NATIVE,
  openTestStore,
  put,
  putPartial,
  SYNC,
  temporaryDirectory,
  writeBlock,
} from './testing/store-fixture.ts'

afterEach(() => armFailpoints(''))

const journalOf = (root: string): string => join(root, '.forebay/journal')
const segments = (root: string): readonly string[] =>
  readdirSync(journalOf(root))
    .sort()
    .map((name) => join(journalOf(root), name))

/** Makes the next start believe that the machine was switched off: another boot, no clean mark. */
function pretendPowerLoss(root: string): void {
  const path = join(root, '.forebay/state.json')
  const state = JSON.parse(readFileSync(path, 'utf8'))
  writeFileSync(
    path,
    JSON.stringify({ ...state, clean: false, identity: { boot: 'b', mount: 'm' } }),
  )
}

test.each(['commit:begun', 'commit:data-synced', 'commit:journalled'])(
  'an error at %s leaves the old version, also after a restart and a rebuild',
  async (point) => {
    const root = temporaryDirectory()
    const first = await openTestStore([root])
    await put(first.store, { bucket: NATIVE, key: 'k', text: 'old' })
    armFailpoints(`${point}=throw`)
    const failing = put(first.store, { bucket: NATIVE, key: 'k', text: 'new' })
    await expect(failing).rejects.toSatisfy((error) => isFailure(error, 'disk-error'))
    armFailpoints('')
    expect(read(first.store, 7, 'k')).toBe('old')
    expect(first.store.totals().reservedBytes).toBe(0)
    await first.store.close()
    rmSync(join(root, '.forebay/index'), { recursive: true })
    const { store } = await openTestStore([root])
    expect(read(store, 7, 'k')).toBe('old')
    expect(readdirSync(join(root, '.forebay/work'))).toEqual([])
    await store.close()
  },
)

test.each(['journal:write', 'journal:sync'])(
  'an error at %s fails the write, leaves the old version, and the next write succeeds',
  async (point) => {
    const root = temporaryDirectory()
    const first = await openTestStore([root])
    await put(first.store, { bucket: NATIVE, key: 'k', text: 'old' })
    const before = segments(root).length
    armFailpoints(`${point}=throw@1`)
    await expect(put(first.store, { bucket: NATIVE, key: 'k', text: 'lost' })).rejects.toThrow(
      /EIO/,
    )
    armFailpoints('')
    expect(read(first.store, 7, 'k')).toBe('old')
    await put(first.store, { bucket: NATIVE, key: 'other', text: 'new' })
    // A descriptor whose sync failed is not written or synced again: the journal goes on in a new segment.
    expect(segments(root).length).toBe(before + (point === 'journal:sync' ? 1 : 0))
    await first.store.close()
    for (const rebuild of [false, true]) {
      if (rebuild) rmSync(join(root, '.forebay/index'), { recursive: true })
      const { store } = await openTestStore([root])
      expect(read(store, 7, 'k')).toBe('old')
      expect(read(store, 7, 'other')).toBe('new')
      await store.close()
    }
  },
)

test.each(['commit:renamed', 'commit:directory-synced', 'commit:indexed'])(
  'an error at %s is reported, and the new version stands whole',
  async (point) => {
    const root = temporaryDirectory()
    const first = await openTestStore([root])
    await put(first.store, { bucket: NATIVE, key: 'k', text: 'old' })
    armFailpoints(`${point}=throw`)
    await expect(put(first.store, { bucket: NATIVE, key: 'k', text: 'new' })).rejects.toThrow(/EIO/)
    armFailpoints('')
    expect(read(first.store, 7, 'k')).toBe('new')
    await first.store.close()
    const { store } = await openTestStore([root])
    expect(read(store, 7, 'k')).toBe('new')
    await store.close()
  },
)

test('a reader between rename and installation has the bytes of the version it looked up', async () => {
  const root = temporaryDirectory()
  const first = await openTestStore([root])
  await put(first.store, { bucket: NATIVE, key: 'k', text: 'old' })
  await first.store.close()
  // Opened again, so that no descriptor of the old version is at hand.
  const { store } = await openTestStore([root])
  armFailpoints('commit:renamed=delay:300')
  const writing = put(store, { bucket: NATIVE, key: 'k', text: 'new' })
  await expect.poll(() => failpointPassed('commit:renamed')).toBe(1)
  expect(read(store, 7, 'k')).toBe('old')
  await writing
  expect(read(store, 7, 'k')).toBe('new')
  await store.close()
})

test('a put that was void does not settle its key', async () => {
  const root = temporaryDirectory()
  const first = await openTestStore([root])
  await first.store.markUnsettled(8, 'k')
  armFailpoints('commit:journalled=throw')
  const settling = { sync: false, settle: true }
  await expect(
    put(first.store, { bucket: CACHED, key: 'k', text: 'x' }, settling),
  ).rejects.toThrow()
  armFailpoints('')
  expect(first.store.isUnsettled(8, 'k')).toBe(true)
  await first.store.close()
  rmSync(join(root, '.forebay/index'), { recursive: true })
  const { store } = await openTestStore([root])
  expect(store.isUnsettled(8, 'k')).toBe(true)
  await store.close()
})

test('after a power loss only what was synced, or stood before the sync mark, is served', async () => {
  const root = temporaryDirectory()
  const first = await openTestStore([root])
  const [drive] = first.store.context.drives
  if (drive === undefined) throw new Error('no drive')
  await put(first.store, { bucket: CACHED, key: 'marked', text: 'marked' }, LAZY)
  await put(first.store, { bucket: CACHED, key: 'replaced', text: 'before' }, LAZY)
  await writeSyncMark(first.store.context, drive)
  await put(first.store, { bucket: CACHED, key: 'lazy', text: 'lazy' }, LAZY)
  await put(first.store, { bucket: CACHED, key: 'replaced', text: 'after' }, LAZY)
  await put(first.store, { bucket: NATIVE, key: 'synced', text: 'synced' }, SYNC)
  const partial = await putPartial(first.store, 'partial', 10_000)
  await writeBlock(first.store, partial, { at: 0, fill: 1 })
  const { syncedBelow } = drive.state
  await first.store.close()
  const path = join(root, '.forebay/state.json')
  const state = JSON.parse(readFileSync(path, 'utf8'))
  writeFileSync(path, JSON.stringify({ ...state, syncedBelow }))
  pretendPowerLoss(root)

  for (const rebuild of [false, true]) {
    if (rebuild) rmSync(join(root, '.forebay/index'), { recursive: true })
    const { store, events } = await openTestStore([root])
    expect(read(store, 8, 'marked')).toBe('marked')
    expect(store.get(8, 'marked')?.validatedMs).toBe(0)
    expect(read(store, 7, 'synced')).toBe('synced')
    for (const key of ['lazy', 'replaced', 'partial']) expect(store.get(8, key)).toBeUndefined()
    expect(store.totals().objectCount).toBe(2)
    expect(events.some(({ event }) => event === 'unclean-boot')).toBe(!rebuild)
    await store.close()
  }
})

test('a version that was validated again after a power loss is fresh again', async () => {
  const root = temporaryDirectory()
  const first = await openTestStore([root])
  await put(first.store, { bucket: NATIVE, key: 'k', text: 'x' }, SYNC)
  await first.store.close()
  pretendPowerLoss(root)
  const second = await openTestStore([root])
  const record = second.store.get(7, 'k')
  if (record === undefined) throw new Error('the record is gone')
  expect(record.validatedMs).toBe(0)
  second.store.confirm(record, 42)
  expect(second.store.get(7, 'k')?.validatedMs).toBe(42)
  await second.store.close()
  const { store } = await openTestStore([root])
  expect(store.get(7, 'k')?.validatedMs).toBe(42)
  store.expire(7, 'k')
  expect(store.get(7, 'k')?.validatedMs).toBe(0)
  await store.close()
})

test('a confirmation that comes after an overwrite or a removal changes nothing', async () => {
  const { store } = await openTestStore([temporaryDirectory()])
  const old = await put(store, { bucket: NATIVE, key: 'k', text: 'old' })
  const next = await put(store, { bucket: NATIVE, key: 'k', text: 'new' })
  store.confirm(old, 1)
  expect(store.get(7, 'k')).toEqual(next)
  await store.remove(7, 'k', { ...SYNC, why: 'delete' })
  store.confirm(next, 1)
  expect(store.get(7, 'k')).toBeUndefined()
  await store.close()
})

test('stamps go on after a restart and jump after a power loss', async () => {
  const root = temporaryDirectory()
  const counters: number[] = []
  for (const loss of [false, false, true]) {
    if (loss) pretendPowerLoss(root)
    const { store } = await openTestStore([root])
    counters.push((await put(store, { bucket: NATIVE, key: 'k', text: 'x' })).stamp.counter)
    await store.close()
  }
  const [first = 0, second = 0, third = 0] = counters
  expect(second).toBeGreaterThan(first)
  expect(third).toBeGreaterThanOrEqual(second + 2 ** 32)
})

const BROKEN_FILES: Readonly<Record<string, (path: string) => void>> = {
  missing: (path) => rmSync(path),
  shorter: (path) => truncateSync(path, 3),
  longer: (path) => appendFileSync(path, 'x'),
  'another file of the same size': (path) => {
    renameSync(path, `${path}.moved`)
    writeFileSync(path, 'BYTES')
  },
  'a directory': (path) => {
    rmSync(path)
    mkdirSync(path)
  },
  'a symbolic link': (path) => {
    renameSync(path, `${path}.moved`)
    symlinkSync(`${path}.moved`, path)
  },
  'a pipe': (path) => {
    rmSync(path)
    execFileSync('mkfifo', [path])
  },
}

test.each(Object.keys(BROKEN_FILES))(
  'a record whose file is %s is never served, is counted, and can be removed and stored again',
  async (what) => {
    const root = temporaryDirectory()
    const { store, events } = await openTestStore([root])
    const record = await put(store, { bucket: CACHED, key: 'dir/k', text: 'bytes' }, LAZY)
    BROKEN_FILES[what]?.(join(root, record.location.path))
    expect(store.open(record)).toBeUndefined()
    expect(events).toContainEqual({
      event: 'record-corrupt',
      facts: { bucketId: 8, key: 'dir/k' },
    })
    expect(await store.remove(8, 'dir/k', { ...LAZY, why: 'corrupt' })).toBe(true)
    await put(store, { bucket: CACHED, key: 'dir/k', text: 'again' }, LAZY)
    expect(read(store, 8, 'dir/k')).toBe('again')
    await store.close()
  },
)

test('without a descriptor nothing is damaged: the store says so, keeps every entry, and goes on', () => {
  const child = new URL('./testing/exhausted-child.ts', import.meta.url).pathname
  const output = execFileSync('bash', [
    ...['-c', 'ulimit -n 80; exec "$0" "$1" "$2"'],
    ...[process.execPath, child, temporaryDirectory()],
  ])
  expect(JSON.parse(output.toString())).toEqual({
    shedFirst: 'done',
    shedPack: 'done',
    shedFile: 'done',
    shedNew: 'done',
    held: true,
    cached: 'slow-down',
    small: 'slow-down',
    smallMore: 'slow-down',
    partial: 'slow-down',
    write: 'slow-down',
    overwrite: 'slow-down',
    records: [true, true],
    entries: [true, true, true],
    corrupt: 0,
    afterwards: 'done',
  })
})

test('an index without room refuses writes, goes on reading, closes, and has everything at the next start', async () => {
  const root = temporaryDirectory()
  const child = new URL('./testing/full-index-child.ts', import.meta.url).pathname
  const output = execFileSync(
    'bash',
    ['-c', 'ulimit -S -f 400; exec "$0" "$1" "$2"', process.execPath, child, root],
    { stdio: ['ignore', 'pipe', 'ignore'], timeout: 20_000 },
  )
  const { acknowledged, ...report } = JSON.parse(output.toString())
  expect(report).toEqual({ refused: 'disk-error', why: true, later: true, read: '0' })
  const { store } = await openTestStore([root])
  for (let at = 0; at < acknowledged; at++) {
    expect(read(store, 7, `${'k'.repeat(800)}${at}`)).toBe(`${at}`)
  }
  await store.close()
})

test.each(['missing', 'random bytes', 'empty', 'cut short', 'an older copy'])(
  'an index that is %s is built again from the journals',
  async (what) => {
    const root = temporaryDirectory()
    const index = join(root, '.forebay/index')
    const first = await openTestStore([root])
    for (let at = 0; at < 50; at++) {
      await put(first.store, { bucket: NATIVE, key: `k${at}`, text: `text ${at}` }, LAZY)
    }
    await first.store.remove(7, 'k3', { ...LAZY, why: 'delete' })
    await first.store.markUnsettled(8, 'marked')
    await first.store.close()
    if (what === 'missing') rmSync(index, { recursive: true })
    if (what === 'random bytes') writeFileSync(join(index, 'data.mdb'), Buffer.alloc(65_536, 0xa5))
    if (what === 'cut short') truncateSync(join(index, 'data.mdb'), 12_288)
    if (what === 'empty') writeFileSync(join(index, 'data.mdb'), '')
    if (what === 'an older copy') {
      execFileSync('cp', ['-r', index, join(root, 'copy')])
      const second = await openTestStore([root])
      await put(second.store, { bucket: NATIVE, key: 'late', text: 'late' })
      await second.store.remove(7, 'late', { ...SYNC, why: 'delete' })
      const [drive] = second.store.context.drives
      if (drive === undefined) throw new Error('no drive')
      await compact(second.store.context, drive, new AbortController().signal)
      await second.store.close()
      rmSync(index, { recursive: true })
      renameSync(join(root, 'copy'), index)
    }
    const { store } = await openTestStore([root])
    expect(store.totals().objectCount).toBe(49)
    expect(read(store, 7, 'k7')).toBe('text 7')
    expect(store.get(7, 'k3')).toBeUndefined()
    expect(store.get(7, 'late')).toBeUndefined()
    expect(store.isUnsettled(8, 'marked')).toBe(true)
    await store.close()
  },
)

test('a start that died while it opened the index builds it again', async () => {
  const root = temporaryDirectory()
  const first = await openTestStore([root])
  await put(first.store, { bucket: NATIVE, key: 'k', text: 'x' })
  await first.store.close()
  writeFileSync(join(root, '.forebay/index/opening'), '')
  const { store, events } = await openTestStore([root])
  expect(events[0]?.event).toBe('index-rebuilt')
  expect(read(store, 7, 'k')).toBe('x')
  await store.close()
})

test('a torn tail of a journal is no damage; bytes that do not check in the middle are set apart', async () => {
  const root = temporaryDirectory()
  const first = await openTestStore([root])
  for (const key of ['a', 'b', 'c']) {
    await put(first.store, { bucket: NATIVE, key, text: key.repeat(100) })
  }
  await first.store.close()
  const [segment = ''] = segments(root)
  const whole = readFileSync(segment)
  writeFileSync(segment, Buffer.concat([whole, whole.subarray(0, 40)]))
  rmSync(join(root, '.forebay/index'), { recursive: true })
  const second = await openTestStore([root])
  expect(second.store.totals().objectCount).toBe(3)
  expect(second.events.map(({ event }) => event)).not.toContain('journal-damaged')
  await second.store.close()

  const at = whole.indexOf('b'.repeat(1), whole.indexOf('native.7/b') - 4)
  const flipped = Buffer.from(whole)
  flipped[at] = (flipped[at] ?? 0) ^ 255
  writeFileSync(segment, flipped)
  rmSync(join(root, '.forebay/index'), { recursive: true })
  const { store, events } = await openTestStore([root])
  expect(read(store, 7, 'a')).toBe('a'.repeat(100))
  expect(store.get(7, 'b')).toBeUndefined()
  expect(read(store, 7, 'c')).toBe('c'.repeat(100))
  expect(events.map(({ event }) => event)).toContain('journal-damaged')
  expect(readdirSync(join(root, '.forebay/quarantine')).length).toBe(1)
  await store.close()
})

test('a key that moves between mountpaths leaves nothing behind on the old one', async () => {
  const roots = [temporaryDirectory(), temporaryDirectory()]
  const [one = '', two = ''] = roots
  const first = await openTestStore([one])
  const keys = Array.from({ length: 20 }, (_, at) => `k${at}`)
  for (const key of keys) await put(first.store, { bucket: NATIVE, key, text: 'old' })
  await first.store.close()
  const second = await openTestStore([one, two])
  for (const key of keys) await put(second.store, { bucket: NATIVE, key, text: 'new' })
  const moved = keys.filter(
    (key) => second.store.get(7, key)?.location.path !== undefined && inodeOn(second, key, two),
  )
  expect(moved.length).toBeGreaterThan(0)
  for (const key of moved) await second.store.remove(7, key, { ...SYNC, why: 'delete' })
  for (const drive of second.store.context.drives) {
    await compact(second.store.context, drive, new AbortController().signal)
  }
  await second.store.close()
  rmSync(join(one, '.forebay/index'), { recursive: true })
  const { store } = await openTestStore([one, two])
  for (const key of moved) expect(store.get(7, key)).toBeUndefined()
  expect(store.totals().objectCount).toBe(keys.length - moved.length)
  expect(readdirSync(join(one, 'ais/@/native.7')).length).toBe(keys.length - moved.length)
  await store.close()
})

function inodeOn(
  { store }: Awaited<ReturnType<typeof openTestStore>>,
  key: string,
  root: string,
): boolean {
  const number = store.get(7, key)?.location.mountpath
  return store.context.drives.some(
    ({ mountpath }) => mountpath.number === number && mountpath.root === root,
  )
}
