import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import type { HashAlgorithm } from './algorithms.ts'
import { createDigester, type Digester, hashBuffer, MD5_INLINE_BYTES_MAX } from './digester.ts'
import { RING_SLOT_BYTES, RING_SLOTS } from './hash-ring.ts'
import { closeHashWorkers } from './hash-workers.ts'

afterAll(closeHashWorkers)

/** Digest of the nine bytes "123456789", as published for each algorithm. */
const CHECK: Readonly<Record<HashAlgorithm, string>> = {
  crc32: 'cbf43926',
  crc32c: 'e3069283',
  crc64nvme: 'ae8b14860a799888',
  sha1: 'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
  sha256: '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
  md5: '25f9e794323b453885f5181f1b624d0b',
  xxh64: '8cb841db40e6ae83',
  sha512:
    'd9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85',
  xxh3: '72dcb18b67a17dff',
  xxh128: '33119477ede5dcd5e9716427681d5860',
}
const ALL: readonly HashAlgorithm[] = [
  'crc32',
  'crc32c',
  'crc64nvme',
  'sha1',
  'sha256',
  'md5',
  'xxh64',
  'sha512',
  'xxh3',
  'xxh128',
]

async function feed(digester: Digester, chunks: readonly Buffer[]): Promise<void> {
  for (const chunk of chunks) await digester.update(chunk)
}

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const marks = [0, ...[...at].sort((a, b) => a - b), bytes.length]
  return marks.slice(1).map((end, index) => bytes.subarray(marks[index], end))
}

test.each(ALL)('%s gives its published check value', async (algorithm) => {
  const bytes = Buffer.from('123456789')
  expect(hashBuffer(algorithm, bytes)).toBe(CHECK[algorithm])
  for (const expectedBytes of [9, undefined]) {
    const digester = createDigester([algorithm], { expectedBytes })
    await digester.update(bytes)
    expect(await digester.digest()).toEqual(new Map([[algorithm, CHECK[algorithm]]]))
  }
})

test('published digests of no bytes', async () => {
  const digests = await createDigester(['xxh64', 'md5', 'crc64nvme']).digest()
  expect([...digests.values()]).toEqual([
    'ef46db3751d8e999',
    'd41d8cd98f00b204e9800998ecf8427e',
    '0000000000000000',
  ])
})

test('a body that is longer than it was said to be has no digests', async () => {
  const digester = createDigester(['md5', 'crc32'], { expectedBytes: 4 })
  await feed(digester, [Buffer.from('1234'), Buffer.alloc(0), Buffer.from('5')])
  await expect(digester.digest()).rejects.toThrow(/longer than it was said to be/)
})

test('any split of a body gives the digests of the whole, inline and in a worker', async () => {
  const body = fc.uint8Array({ maxLength: 5000 })
  const marks = fc.array(fc.nat({ max: 5000 }), { maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(body, marks, fc.boolean(), async (array, positions, known) => {
      const bytes = Buffer.from(array)
      const digester = createDigester(ALL, { expectedBytes: known ? bytes.length : undefined })
      const at = positions.map((position) => Math.min(position, bytes.length))
      await feed(digester, cut(bytes, at))
      expect([...(await digester.digest())]).toEqual(
        ALL.map((algorithm) => [algorithm, hashBuffer(algorithm, bytes)]),
      )
    }),
  )
})

test('a body of many rings, in chunks larger than a slot, waits for room and is right', async () => {
  const bytes = patterned(3 * RING_SLOTS * RING_SLOT_BYTES + 77)
  const digester = createDigester(['md5'], { expectedBytes: bytes.length })
  let waits = 0
  for (const chunk of cut(bytes, [1, 700_001, 3 * RING_SLOT_BYTES + 5, 9_000_000])) {
    const waiting = digester.update(chunk)
    if (waiting !== undefined) waits += 1
    await waiting
  }
  expect(waits).toBeGreaterThan(0)
  expect((await digester.digest()).get('md5')).toBe(hashBuffer('md5', bytes))
})

test('a digest asked for while a chunk still waits for room is of the whole chunk', async () => {
  const bytes = patterned(2 * RING_SLOTS * RING_SLOT_BYTES)
  const digester = createDigester(['md5', 'crc64nvme'], { expectedBytes: bytes.length })
  const waiting = digester.update(bytes)
  expect(waiting).toBeInstanceOf(Promise)
  const [digests] = await Promise.all([digester.digest(), waiting])
  expect(digests.get('md5')).toBe(hashBuffer('md5', bytes))
  expect(digests.get('crc64nvme')).toBe(hashBuffer('crc64nvme', bytes))
})

test('many streams share the workers without mixing', async () => {
  const digests = await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      const bytes = patterned(MD5_INLINE_BYTES_MAX + 1 + index * 1000)
      const digester = createDigester(['md5', 'xxh64'], { expectedBytes: bytes.length })
      if (index % 4 === 3) {
        await digester.update(bytes.subarray(0, 100_000))
        digester.abandon()
        digester.abandon()
        return true
      }
      await feed(digester, cut(bytes, [65_536, 65_537, 600_000]))
      return (await digester.digest()).get('md5') === hashBuffer('md5', bytes)
    }),
  )
  expect(digests).not.toContain(false)
})

test('the copy in the ring, not the caller’s chunk, is hashed once update has returned', async () => {
  const digester = createDigester(['md5'])
  const chunk = Buffer.from('123456789')
  await digester.update(chunk)
  chunk.fill(0)
  expect((await digester.digest()).get('md5')).toBe(CHECK.md5)
})

test('streams fail when the workers are closed, and later ones work again', async () => {
  const digester = createDigester(['md5'])
  await digester.update(Buffer.from('abc'))
  await closeHashWorkers()
  await expect(digester.digest()).rejects.toMatchObject({ code: 'internal' })
  const waiting = createDigester(['md5'])
  const full = waiting.update(patterned(4 * RING_SLOTS * RING_SLOT_BYTES))
  await Promise.all([expect(full).rejects.toMatchObject({ code: 'internal' }), closeHashWorkers()])
  const next = createDigester(['md5'])
  await next.update(Buffer.from('123456789'))
  expect((await next.digest()).get('md5')).toBe(CHECK.md5)
})

test('an algorithm named twice is computed once, and none at all is fine', async () => {
  const twice = createDigester(['crc32', 'crc32'], { expectedBytes: 9 })
  await twice.update(Buffer.from('123456789'))
  expect([...(await twice.digest())]).toEqual([['crc32', CHECK.crc32]])
  expect((await createDigester([]).digest()).size).toBe(0)
})

test('using a digester after its end is a mistake of the caller', async () => {
  const digester = createDigester(['crc32'])
  await digester.digest()
  digester.abandon()
  expect(() => digester.update(Buffer.from('x'))).toThrow(/after digest/)
  await expect(digester.digest()).rejects.toThrow(/second digest/)
})

function patterned(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes)
  for (let at = 0; at + 4 <= sizeBytes; at += 4) bytes.writeUInt32LE((at * 2654435761) >>> 0, at)
  return bytes
}
