import type { ListUploadsRequest } from '@forebay/peer/target-port'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NATIVE, Rig } from './testing/rig.ts'

const signal = new AbortController().signal

let rig: Rig
let idsOf: Map<string, string[]>

beforeEach(async () => {
  rig = await Rig.open()
  idsOf = new Map()
})
afterEach(() => rig.close())

async function begin(...keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    const created = { bucket: NATIVE, key, headers: {}, metadata: {}, signal }
    const { uploadId } = await rig.target.createUpload(created)
    idsOf.set(key, [...(idsOf.get(key) ?? []), uploadId])
  }
}

/** Id of the upload `at` of a key, from 0 as they began. */
const idOf = (key: string, at = 0): string => idsOf.get(key)?.[at] ?? `no upload of ${key}`

type Wanted = Partial<Omit<ListUploadsRequest, 'bucket' | 'signal'>>

const list = (wanted: Wanted) =>
  rig.target.listUploads({ bucket: NATIVE, prefix: '', pageMax: 1000, signal, ...wanted })

/** Keys with the place of the upload among those of its key, then common prefixes. */
async function namesOf(wanted: Wanted): Promise<readonly string[]> {
  const { uploads, commonPrefixes } = await list(wanted)
  const names = uploads.map(
    ({ key, uploadId }) => `${key} ${idsOf.get(key)?.indexOf(uploadId) ?? '?'}`,
  )
  return [...names, ...commonPrefixes]
}

test('a page starts behind the upload that both markers name', async () => {
  await begin('a', 'b', 'b', 'b', 'c')
  const marked = { keyMarker: 'b', uploadIdMarker: idOf('b', 1) }
  expect(await namesOf(marked)).toEqual(['b 2', 'c 0'])
  expect(await namesOf({ keyMarker: 'b' })).toEqual(['c 0'])
  expect(await namesOf({ uploadIdMarker: idOf('b', 1) })).toHaveLength(5)
})

test('an upload that has ended meanwhile still marks where the next page starts', async () => {
  await begin('a', 'b', 'b', 'b', 'c')
  const page = await list({ pageMax: 2 })
  for (const { key, uploadId } of page.uploads) {
    await rig.target.abortUpload({ bucket: NATIVE, key, uploadId, signal })
  }
  const { nextKeyMarker, nextUploadIdMarker } = page
  const next = { keyMarker: nextKeyMarker, uploadIdMarker: nextUploadIdMarker }
  expect(await namesOf(next)).toEqual(['b 1', 'b 2', 'c 0'])
})

test('an id of the first key behind a key marker without uploads counts', async () => {
  await begin('bar', 'baz', 'baz', 'baz', 'foo')
  const marked = { keyMarker: 'bat', uploadIdMarker: idOf('baz', 1) }
  expect(await namesOf(marked)).toEqual(['baz 2', 'foo 0'])
})

test('a marker that is no id of ours, or of a key further on, is refused', async () => {
  await begin('a', 'b', 'c')
  for (const uploadIdMarker of [
    'invalid',
    '../..',
    'b6a9d0a2-3a7c-4a7e-8c86-0d6fa1f4f4c1',
    idOf('c'),
  ]) {
    await expect(list({ keyMarker: 'a', uploadIdMarker })).rejects.toMatchObject({
      code: 'argument-invalid',
      message: 'Invalid uploadId marker',
      facts: { argumentName: 'upload-id-marker', argumentValue: uploadIdMarker },
    })
  }
})

test('a common prefix goes on in the next page where uploads of it are left', async () => {
  await begin('abc/1', 'foo/1', 'foo/2', 'xyz/1')
  const page = await list({ delimiter: '/', pageMax: 2 })
  expect(page).toMatchObject({
    commonPrefixes: ['abc/', 'foo/'],
    truncated: true,
    nextKeyMarker: 'foo/',
    nextUploadIdMarker: idOf('foo/1'),
  })
  const marked = { delimiter: '/', keyMarker: 'foo/', uploadIdMarker: idOf('foo/1') }
  expect(await namesOf(marked)).toEqual(['foo/', 'xyz/'])
  expect(await namesOf({ ...marked, uploadIdMarker: idOf('foo/2') })).toEqual(['xyz/'])
  expect(await namesOf({ delimiter: '/', keyMarker: 'foo/' })).toEqual(['xyz/'])
  await rig.target.abortUpload({ bucket: NATIVE, key: 'foo/1', uploadId: idOf('foo/1'), signal })
  expect(await namesOf(marked)).toEqual(['xyz/'])
})

test('pages of one entry come to an end, whatever they are marked by', async () => {
  await begin('a', 'a', 'b/1', 'b/1', 'b/2', 'c/1', 'd')
  const seen: string[] = []
  let next: Wanted = {}
  for (let pages = 1; pages <= 8; pages++) {
    const page = await list({ delimiter: '/', pageMax: 1, ...next })
    seen.push(...page.uploads.map(({ key }) => key), ...page.commonPrefixes)
    if (!page.truncated) break
    next = { keyMarker: page.nextKeyMarker, uploadIdMarker: page.nextUploadIdMarker }
  }
  expect(seen).toEqual(['a', 'a', 'b/', 'b/', 'b/', 'c/', 'd'])
})
