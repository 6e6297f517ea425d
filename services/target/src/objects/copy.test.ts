import { afterEach, expect, test } from 'vitest'
import { NATIVE, pattern, Rig } from './testing/rig.ts'

let rig: Rig
afterEach(() => rig.close())

const signal = new AbortController().signal

function copy(from: 'native' | 'cached', to: 'native' | 'cached', key = 'a') {
  const bucketOf = (kind: 'native' | 'cached') => (kind === 'native' ? NATIVE : rig.bucket)
  return rig.target.copy({
    bucket: bucketOf(to),
    key: 'copy',
    source: { bucket: bucketOf(from), key },
    sourceConditions: {},
    conditions: {},
    signal,
  })
}

test('a copy has the bytes, headers and metadata of its source, between all kinds of buckets', async () => {
  rig = await Rig.open()
  const bytes = pattern(700_000)
  for (const from of ['native', 'cached'] as const) {
    for (const to of ['native', 'cached'] as const) {
      const source = from === 'native' ? NATIVE : rig.bucket
      const destination = to === 'native' ? NATIVE : rig.bucket
      await rig.put('a', bytes, { bucket: source })
      await copy(from, to)
      expect(await rig.get('copy', { bucket: destination })).toEqual(bytes)
      await rig.remove('copy', destination)
    }
  }
})

test('a copy inside a backend is made by the backend', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', pattern(100_000))
  await copy('cached', 'cached')
  expect(rig.remote.requestCount('read')).toBe(0)
  expect(rig.remote.bytes('remote', 'copy')).toEqual(pattern(100_000))
})

test('copying onto an object that is cached leaves no old bytes behind', async () => {
  rig = await Rig.open()
  await rig.put('copy', 'old')
  await rig.get('copy')
  rig.remote.put('remote', 'a', 'young')
  await copy('cached', 'cached')
  expect(String(await rig.get('copy'))).toBe('young')
})

test('the source of a copy must exist', async () => {
  rig = await Rig.open()
  await expect(copy('native', 'native', 'nothing')).rejects.toMatchObject({
    code: 'object-not-found',
  })
  await expect(copy('cached', 'native', 'nothing')).rejects.toMatchObject({
    code: 'object-not-found',
  })
})
