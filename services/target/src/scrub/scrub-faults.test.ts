import {
  mkdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { cachedBucket, NATIVE, pattern, Rig } from '../objects/testing/rig.ts'
import { PACKED_BYTES_MAX } from '../store/packs.ts'
import { brief, flipBit, pathOf, readBlock, recordOf, scrubOnce } from './testing/scrub-rig.ts'

const BLOCK = 64 * 1024
const LARGE = 3 * BLOCK
const PROPERTIES = { blockBytes: BLOCK, sparseThresholdBytes: 2 * BLOCK }

let rig: Rig
afterEach(() => rig.close())

/** Numbers that look like chance and are the same each time. */
function* chance(seed: number): Generator<number> {
  let state = seed >>> 0
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    yield state / 2 ** 32
  }
}

const names = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}-${String(at).padStart(2, '0')}`)

const swapByName = (first: string, second: string): void => {
  renameSync(first, `${first}.swap`)
  renameSync(second, first)
  renameSync(`${first}.swap`, second)
}

const swapBytes = (first: string, second: string): void => {
  const bytes = readFileSync(first)
  writeFileSync(first, readFileSync(second))
  writeFileSync(second, bytes)
}

test('one pass finds each of 100 flipped bits, and swapped, short and lost files', async () => {
  rig = await Rig.open(cachedBucket(PROPERTIES))
  const dice = chance(6)
  const at = (size: number): number => Math.floor((dice.next().value ?? 0) * size)
  const bodies = new Map<string, Buffer>()
  const native = [...names('n', 30), 'n-swap-a', 'n-swap-b', 'n-short', 'n-lost', 'n-good']
  const whole = [...names('w', 40), 'w-swap-a', 'w-swap-b', 'w-short', 'w-lost', 'w-good']
  const partial = [...names('p', 30), 'p-good']
  for (const [index, key] of [...native, ...whole].entries()) {
    const bytes = pattern(1 + at(30_000), index)
    bodies.set(key, bytes)
    if (key.startsWith('n')) await rig.put(key, bytes, { bucket: NATIVE })
    else rig.remote.put('remote', key, bytes)
  }
  // What has a file of its own can be short, or lost, or have another's name.
  for (const [index, key] of whole.entries()) {
    if (!/swap|short|lost/.test(key)) continue
    bodies.set(key, pattern(PACKED_BYTES_MAX + 1 + index, index))
    rig.remote.put('remote', key, bodies.get(key) ?? Buffer.alloc(0))
  }
  // Two of one size: only their bytes tell which is which.
  for (const [index, key] of ['n-swap-a', 'n-swap-b'].entries()) {
    bodies.set(key, pattern(5000, index + 90))
    await rig.put(key, bodies.get(key) ?? '', { bucket: NATIVE })
  }
  for (const key of whole) await rig.get(key)
  for (const [index, key] of partial.entries()) {
    bodies.set(key, pattern(LARGE, index))
    rig.remote.put('remote', key, bodies.get(key) ?? Buffer.alloc(0))
    await readBlock(rig, key, 0)
    await readBlock(rig, key, 2 * BLOCK)
  }
  await rig.idle()
  const fileOf = (key: string): string =>
    pathOf(rig, recordOf(rig, key, key.startsWith('n') ? NATIVE.id : rig.bucket.id))
  for (const key of [...names('n', 30), ...names('w', 40)]) {
    flipBit(fileOf(key), at(bodies.get(key)?.length ?? 1))
  }
  for (const key of names('p', 30)) flipBit(fileOf(key), 2 * BLOCK + at(BLOCK))
  swapBytes(fileOf('n-swap-a'), fileOf('n-swap-b'))
  swapByName(fileOf('w-swap-a'), fileOf('w-swap-b'))
  for (const kind of ['n', 'w']) {
    truncateSync(fileOf(`${kind}-short`), (bodies.get(`${kind}-short`)?.length ?? 1) - 1)
    unlinkSync(fileOf(`${kind}-lost`))
  }

  const found = await scrubOnce(rig)
  expect(brief(found.findings)).toEqual([
    ...names('n', 30).map((key) => [key, 'wrong-bytes', 'kept-damaged']),
    ['n-lost', 'missing', 'kept-damaged'],
    ['n-short', 'wrong-size', 'kept-damaged'],
    ['n-swap-a', 'wrong-bytes', 'kept-damaged'],
    ['n-swap-b', 'wrong-bytes', 'kept-damaged'],
    ...names('p', 30).map((key) => [key, 'wrong-bytes', 'blocks-dropped']),
    ...names('w', 40).map((key) => [key, 'wrong-bytes', 'dropped']),
    ['w-lost', 'missing', 'dropped'],
    ['w-short', 'wrong-size', 'dropped'],
    ['w-swap-a', 'wrong-file', 'dropped'],
    ['w-swap-b', 'wrong-file', 'dropped'],
  ])
  expect(found.pass).toMatchObject({ damaged: 108, repaired: 74, unchecked: 0, state: 'finished' })

  for (const key of [...whole, ...partial]) {
    expect(await rig.get(key), key).toEqual(bodies.get(key))
  }
  for (const key of native) {
    const read = rig.get(key, { bucket: NATIVE })
    if (key === 'n-good') expect(await read).toEqual(bodies.get(key))
    else await expect(read, key).rejects.toMatchObject({ code: 'object-corrupt' })
  }
  await rig.idle()
  const second = await scrubOnce(rig)
  expect(second.pass).toMatchObject({ damaged: 34, repaired: 0 })
})

test('a damaged object of a native bucket stays refused over a restart, until it is put again', async () => {
  rig = await Rig.open()
  await rig.put('a', pattern(5000), { bucket: NATIVE })
  const path = pathOf(rig, recordOf(rig, 'a', NATIVE.id))
  flipBit(path, 4999)
  await scrubOnce(rig)
  await rig.crash()
  await expect(rig.get('a', { bucket: NATIVE })).rejects.toMatchObject({ code: 'object-corrupt' })
  const head = await rig.head('a', NATIVE)
  expect(head.kind).toBe('found')
  await rig.put('a', pattern(5000, 2), { bucket: NATIVE })
  expect(await rig.get('a', { bucket: NATIVE })).toEqual(pattern(5000, 2))
  expect((await scrubOnce(rig)).pass).toMatchObject({ objects: 1, damaged: 0 })
})

test('a damaged object whose file somebody mended in place is served again after a pass', async () => {
  rig = await Rig.open()
  await rig.put('a', pattern(5000), { bucket: NATIVE })
  const path = pathOf(rig, recordOf(rig, 'a', NATIVE.id))
  flipBit(path, 7)
  await scrubOnce(rig)
  await expect(rig.get('a', { bucket: NATIVE })).rejects.toMatchObject({ code: 'object-corrupt' })
  writeFileSync(path, pattern(5000))
  expect((await scrubOnce(rig)).pass).toMatchObject({ damaged: 0 })
  expect(await rig.get('a', { bucket: NATIVE })).toEqual(pattern(5000))
})

test('of a partial entry only the blocks are fetched again that were wrong', async () => {
  rig = await Rig.open(cachedBucket(PROPERTIES))
  rig.remote.put('remote', 'a', pattern(4 * BLOCK))
  for (const block of [0, 1, 2]) await readBlock(rig, 'a', block * BLOCK)
  flipBit(pathOf(rig, recordOf(rig, 'a')), BLOCK + 5)
  await scrubOnce(rig)
  const before = rig.remote.bytesRead
  for (const block of [0, 1, 2]) {
    const start = block * BLOCK
    expect(await readBlock(rig, 'a', start)).toEqual(
      pattern(4 * BLOCK).subarray(start, start + 100),
    )
  }
  expect(rig.remote.bytesRead - before).toBe(BLOCK)
  await rig.crash()
  expect((await scrubOnce(rig)).pass).toMatchObject({ objects: 1, damaged: 0 })
})

test('what had to be given up is fetched again at once where that is wanted', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', pattern(5000))
  await rig.get('a')
  flipBit(pathOf(rig, recordOf(rig, 'a')), 0)
  const { findings } = await scrubOnce(rig, { fetchAgain: true })
  expect(brief(findings)).toEqual([['a', 'wrong-bytes', 'fetched-again']])
  const before = rig.remote.bytesRead
  expect(await rig.get('a')).toEqual(pattern(5000))
  expect(rig.remote.bytesRead).toBe(before)
})

test('a file that no record knows is told of and left alone, unless it is young', async () => {
  rig = await Rig.open(cachedBucket(PROPERTIES))
  await rig.put('a/b', pattern(100), { bucket: NATIVE })
  rig.remote.put('remote', 'p', pattern(LARGE))
  await readBlock(rig, 'p', 0)
  const old = join(rig.directory, 'mp', 'left', 'old')
  mkdirSync(dirname(old))
  writeFileSync(old, 'who put this here?')
  expect((await scrubOnce(rig)).findings).toEqual([])
  rig.clock.shiftMs = 120_000
  const { findings, pass } = await scrubOnce(rig)
  expect(findings).toMatchObject([{ damage: 'orphan', action: 'reported', path: old }])
  expect(pass).toMatchObject({ damaged: 0, orphans: 1, objects: 2 })
  expect(readFileSync(old, 'utf8')).toBe('who put this here?')
})
