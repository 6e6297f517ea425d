import { hashBuffer } from '@forebay/base/hash/digester'
import { crc32c } from '@node-rs/crc32'
import { expect, test } from 'vitest'
import { BlockMap } from './block-map.ts'
import { BlockSums } from './block-sums.ts'
import { pattern } from './testing/rig.ts'

const BLOCK = 64 * 1024
const bytes = pattern(3 * BLOCK + 77)

test.each(['crc32', 'crc32c', 'crc64nvme'] as const)(
  'the %s of blocks that come in any order is that of the whole',
  (algorithm) => {
    const map = new BlockMap(bytes.length, BLOCK)
    const stated = { algorithm, kind: 'whole', hex: hashBuffer(algorithm, bytes) } as const
    const sums = BlockSums.of(map, stated)
    for (const index of [2, 0, 3, 1]) {
      expect(sums?.whole()).toBeUndefined()
      const block = bytes.subarray(map.startOf(index), map.endOf(index))
      const sum = sums?.start()
      for (let at = 0; at < block.length; at += 10_000) sum?.update(block.subarray(at, at + 10_000))
      map.markPresent(index, crc32c(block))
      if (sum !== undefined) sums?.set(index, sum.hex())
    }
    expect(sums?.whole()).toBe(stated.hex)
  },
)

test('a digest that parts do not make, or none, has no sums', () => {
  const map = new BlockMap(bytes.length, BLOCK)
  expect(BlockSums.of(map, undefined)).toBeUndefined()
  const md5 = { algorithm: 'md5', kind: 'whole', hex: hashBuffer('md5', bytes) } as const
  expect(BlockSums.of(map, md5)).toBeUndefined()
})
