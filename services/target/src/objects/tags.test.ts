import type { Tags } from '@forebay/model/object'
import { afterEach, expect, test } from 'vitest'
import { NATIVE, Rig } from './testing/rig.ts'

let rig: Rig
afterEach(() => rig.close())

const signal = new AbortController().signal
const TAGS: Tags = [
  { key: 'team', value: 'blue' },
  { key: 'empty', value: '' },
]

const tagsOf = async (key: string, bucket = NATIVE, versionId?: string) =>
  (await rig.target.getTags({ bucket, key, versionId, signal })).tags

test('tags of a native object are replaced, survive a restart and leave the object as it is', async () => {
  rig = await Rig.open()
  await rig.put('k', 'hello', { bucket: NATIVE })
  const before = rig.context.store.get(NATIVE.id, 'k')
  expect(await tagsOf('k')).toEqual([])
  await rig.target.putTags({ bucket: NATIVE, key: 'k', tags: TAGS, signal })
  expect(await tagsOf('k', NATIVE, 'null')).toEqual(TAGS)
  expect(rig.context.store.get(NATIVE.id, 'k')).toEqual({
    ...before,
    attributes: { ...before?.attributes, tags: TAGS },
  })
  await rig.restart()
  expect(await tagsOf('k')).toEqual(TAGS)
  expect(String(await rig.get('k', { bucket: NATIVE }))).toBe('hello')
  await rig.target.putTags({ bucket: NATIVE, key: 'k', tags: [], signal })
  expect(await tagsOf('k')).toEqual([])
})

test('what is not there has no tags, and a native object has no version but null', async () => {
  rig = await Rig.open()
  const absent = { code: 'object-not-found' }
  await expect(tagsOf('k')).rejects.toMatchObject(absent)
  await expect(
    rig.target.putTags({ bucket: NATIVE, key: 'k', tags: TAGS, signal }),
  ).rejects.toMatchObject(absent)
  await expect(tagsOf('k', rig.bucket)).rejects.toMatchObject(absent)
  await rig.put('k', 'x', { bucket: NATIVE })
  await expect(tagsOf('k', NATIVE, 'v1')).rejects.toMatchObject({ code: 'argument-invalid' })
})

test('tags of a bucket with a backend are kept there, and a copy in the cache knows their count', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'k', 'hello')
  await rig.get('k')
  await rig.target.putTags({ bucket: rig.bucket, key: 'k', tags: TAGS, signal })
  expect(await tagsOf('k', rig.bucket)).toEqual(TAGS)
  expect(rig.remote.requestCount('put-tags')).toBe(1)
  const head = await rig.target.head({ bucket: rig.bucket, key: 'k', conditions: {}, signal })
  expect(head).toMatchObject({
    kind: 'found',
    cache: { status: 'hit' },
    attributes: { tagCount: 2 },
  })
  await rig.target.putTags({ bucket: rig.bucket, key: 'k', tags: [], signal })
  expect(rig.context.store.get(rig.bucket.id, 'k')?.attributes.tagCount).toBeUndefined()
})

test.each(['native', 'cached'] as const)(
  'a copy from a %s bucket takes the tags along, or others',
  async (from) => {
    rig = await Rig.open()
    const source = { bucket: from === 'native' ? NATIVE : rig.bucket, key: 'k' }
    await rig.put('k', 'hello', source)
    await rig.target.putTags({ ...source, tags: TAGS, signal })
    const other: Tags = [{ key: 'other', value: '1' }]
    for (const bucket of [NATIVE, rig.bucket]) {
      const copy = { bucket, source, sourceConditions: {}, conditions: {}, signal }
      await rig.target.copy({ ...copy, key: 'kept' })
      await rig.target.copy({ ...copy, key: 'replaced', replaceTags: other })
      await rig.target.copy({ ...copy, key: 'none', replaceTags: [] })
      expect(await tagsOf('kept', bucket)).toEqual(TAGS)
      expect(await tagsOf('replaced', bucket)).toEqual(other)
      expect(await tagsOf('none', bucket)).toEqual([])
    }
  },
)
