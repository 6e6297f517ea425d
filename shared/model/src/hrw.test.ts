import type { Digest64 } from '@forebay/base/digest'
import { expect, test } from 'vitest'
import { chooseByWeight, hrwDigest, hrwWeight, rankByWeight, uniqueName } from './hrw.ts'

const toBigInt = (d: Digest64): bigint => (BigInt(d.high) << 32n) | BigInt(d.low)
const ZERO = { high: 0, low: 0 }
const node = (id: string) => ({ id, digest: hrwDigest(id) })
const ulpt = node('ULPt38082')
const gxct = node('gXCt38081')

test('the weight is the output that AIStore computes', () => {
  expect(toBigInt(hrwWeight(ZERO, ZERO))).toBe(1905207664160064169n)
  expect(toBigInt(hrwWeight({ high: 0, low: 4573842 }, ZERO))).toBe(5026071747115404967n)
})

test('digests are XXH64 under the seed of AIStore', () => {
  expect(toBigInt(hrwDigest('zueyHsCG'))).toBe(14347507734657716260n)
  expect(toBigInt(ulpt.digest)).toBe(4567405390780543885n)
  expect(toBigInt(hrwDigest('ais/@#/shp/o'))).toBe(14516104951875744266n)
})

test('a key goes where a live AIStore gateway redirected it', () => {
  const key = hrwDigest('ais/@#/shp/o')
  expect(toBigInt(hrwWeight(ulpt.digest, key))).toBe(9229608778679495572n)
  expect(toBigInt(hrwWeight(gxct.digest, key))).toBe(17375335679002393104n)
  expect(chooseByWeight([ulpt, gxct], key)?.id).toBe('gXCt38081')
  expect(chooseByWeight([ulpt, gxct], hrwDigest('ais/@#/shp/b'))?.id).toBe('ULPt38082')
  expect(chooseByWeight([ulpt, gxct], hrwDigest('aws/@#/cloud1/o'))?.id).toBe('gXCt38081')
})

test('of equal weights the later candidate wins, and the ranking agrees with the choice', () => {
  const twin = { id: 'twin', digest: ulpt.digest }
  const key = hrwDigest('ais/@#/shp/b')
  expect(chooseByWeight([ulpt, twin], key)?.id).toBe('twin')
  expect(rankByWeight([ulpt, twin, gxct], key).map(({ id }) => id)).toEqual([
    'twin',
    'ULPt38082',
    'gXCt38081',
  ])
  expect(chooseByWeight([], key)).toBeUndefined()
})

test('the unique name of a key spells out provider and namespace', () => {
  const ref = { provider: 'aws', namespace: { uuid: '', name: '' }, name: 'data' } as const
  expect(uniqueName(ref, 'a/b.jpg')).toBe('aws/@#/data/a/b.jpg')
})
