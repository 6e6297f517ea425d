import type { BucketRecord } from '@forebay/model/bucket'
import { afterEach, expect, test } from 'vitest'
import { Target } from './target.ts'
import { bodyOf, NATIVE, Rig } from './testing/rig.ts'

let rig: Rig
afterEach(() => rig.close())

const signal = new AbortController().signal

/** Each way to bring a key into being, the parts of an upload apart: those need an upload. */
function makings(target: Target, bucket: BucketRecord, key: string) {
  const content = { bucket, key, headers: {}, metadata: {}, signal }
  return {
    write: () =>
      target.write({
        ...content,
        ...{ conditions: {}, stated: [], md5: true, body: bodyOf(Buffer.from('x')) },
      }),
    copy: () =>
      target.copy({
        ...{ bucket, key, source: { bucket: NATIVE, key: 'a' }, signal },
        ...{ sourceConditions: {}, conditions: {} },
      }),
    createUpload: () => target.createUpload(content),
  }
}

test('keys that no file system holds can be refused, in buckets of every kind', async () => {
  rig = await Rig.open()
  await rig.put('a', 'x', { bucket: NATIVE })
  const strict = new Target({ ...rig.context, portableKeys: true })
  for (const bucket of [NATIVE, rig.bucket]) {
    for (const key of ['a//b', '../a', '.']) {
      for (const make of Object.values(makings(strict, bucket, key))) {
        await expect(make()).rejects.toMatchObject({ code: 'key-not-portable' })
      }
      const head = await rig.target.head({ bucket, key, conditions: {}, signal })
      expect(head.kind).toBe('absent')
    }
    for (const key of ['b/c', 'folder/']) {
      for (const make of Object.values(makings(strict, bucket, key))) await make()
    }
  }
  expect(rig.remote.bytes('remote', 'a//b')).toBeUndefined()
})

test('what has such a key already is read and deleted where new ones are refused', async () => {
  rig = await Rig.open()
  await rig.put('a//b', 'x', { bucket: NATIVE })
  const strict = new Target({ ...rig.context, portableKeys: true })
  const address = { bucket: NATIVE, key: 'a//b', conditions: {}, signal }
  expect((await strict.head(address)).kind).toBe('found')
  expect(await strict.delete(address)).toEqual({ existed: true })
  expect((await strict.head(address)).kind).toBe('absent')
})

test('an upload to such a key that was begun elsewhere makes no object, and can be aborted', async () => {
  rig = await Rig.open()
  const strict = new Target({ ...rig.context, portableKeys: true })
  for (const bucket of [NATIVE, rig.bucket]) {
    const address = { bucket, key: 'a//b', signal }
    const { uploadId } = await rig.target.createUpload({ ...address, headers: {}, metadata: {} })
    const body = bodyOf(Buffer.from('x'))
    const part = { ...address, uploadId, partNumber: 1, stated: [], body }
    const { etag } = await rig.target.writePart(part)
    const parts = [{ partNumber: 1, etag, checksums: [] }]
    const completing = strict.completeUpload({ ...address, uploadId, parts, conditions: {} })
    await expect(completing).rejects.toMatchObject({ code: 'key-not-portable' })
    const head = await strict.head({ ...address, conditions: {} })
    expect(head.kind).toBe('absent')
    await strict.abortUpload({ ...address, uploadId })
  }
})

test('such keys are keys unless it is said otherwise', async () => {
  rig = await Rig.open()
  await rig.put('a', 'x', { bucket: NATIVE })
  for (const make of Object.values(makings(rig.target, NATIVE, '../a'))) await make()
  expect(String(await rig.get('../a', { bucket: NATIVE }))).toBe('x')
})
