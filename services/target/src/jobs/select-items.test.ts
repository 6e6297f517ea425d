import type { JobItem } from '@forebay/jobs/job'
import type { BucketRecord } from '@forebay/model/bucket'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { JobContext } from './kind-work.ts'
import { listSelected, type Selection } from './select-items.ts'
import { HeldLease, JobRig } from './testing/job-rig.ts'

let rig: JobRig
let bucket: BucketRecord
beforeEach(async () => {
  rig = await JobRig.open()
  bucket = await rig.stored('remote')
})
afterEach(() => rig.close())

/** All pages, as they come. */
async function pagesOf(
  selection: Selection,
  context: JobContext = rig.context,
  cachedOnly = false,
): Promise<readonly { readonly owner: string; readonly items: readonly JobItem[] }[][]> {
  const steps: { readonly owner: string; readonly items: readonly JobItem[] }[][] = []
  let cursor: string | undefined
  do {
    const lease = new HeldLease()
    const listed = await listSelected(context, { bucket, selection, cursor, lease, cachedOnly })
    steps.push([...listed.pages])
    cursor = listed.cursor
  } while (cursor !== undefined)
  return steps
}

const keysOf = async (selection: Selection): Promise<readonly string[]> =>
  (await pagesOf(selection)).flat().flatMap(({ items }) => items.map(({ key }) => key))

test('a flat list has no names below folders, whatever begins it', async () => {
  for (const key of ['a', 'd/1', 'd/2', 'd/e/3', 'z']) rig.remote.put('remote', key, 'x')
  expect(await keysOf({ flat: true })).toEqual(['a', 'z'])
  expect(await keysOf({ prefix: 'd/', flat: true })).toEqual(['d/1', 'd/2'])
  expect(await keysOf({ template: 'd/', flat: true })).toEqual(['d/1', 'd/2'])
  expect(await keysOf({ keys: ['d/e/3'], flat: true })).toEqual(['d/e/3'])
})

test('a whole bucket is listed in pages of 1,000 by one request each, with versions and sizes', async () => {
  for (let at = 0; at < 2001; at++) rig.remote.put('remote', `k${`${at}`.padStart(5, '0')}`, 'x')
  const steps = await pagesOf({})
  expect(steps.map((pages) => pages.map(({ items }) => items.length))).toEqual([
    [1000],
    [1000],
    [1],
  ])
  expect(rig.remote.requestCount('list')).toBe(3)
  const { etag } = rig.remote.get('remote', 'k02000') ?? {}
  expect(steps[2]?.[0]?.items).toMatchObject([
    {
      key: 'k02000',
      sizeBytes: 1,
      version: { etag, lastModifiedMs: Math.floor(rig.nowMs / 1000) * 1000 },
    },
  ])
})

test('a prefix, a template without a range, and everything are lists', async () => {
  for (const key of ['a/1', 'a/2', 'b/1']) rig.remote.put('remote', key, 'x')
  expect(await keysOf({ prefix: 'a/' })).toEqual(['a/1', 'a/2'])
  expect(await keysOf({ template: 'b/' })).toEqual(['b/1'])
  expect(await keysOf({ template: '*' })).toEqual(['a/1', 'a/2', 'b/1'])
  expect(await keysOf({ prefix: 'none' })).toEqual([])
})

test('what is in the cache is listed without asking the store', async () => {
  rig.remote.put('remote', 'a', 'x')
  rig.remote.put('remote', 'b', 'x')
  const signal = new AbortController().signal
  await rig.context.target.warm({ bucket, key: 'b', signal })
  rig.remote.resetCounts()
  const [pages] = await pagesOf({}, rig.context, true)
  expect(pages?.flatMap(({ items }) => items.map(({ key }) => key))).toEqual(['b'])
  expect(rig.remote.requestCount()).toBe(0)
})

test('named keys and templates go by position, without a request, and each once in a page', async () => {
  expect(await keysOf({ keys: ['b', 'a', 'b'] })).toEqual(['b', 'a'])
  const steps = await pagesOf({ template: 'k-{0000..2499}' })
  expect(steps.map((pages) => pages[0]?.items.length)).toEqual([1000, 1000, 500])
  expect(steps[1]?.[0]?.items[0]).toEqual({ key: 'k-1000' })
  expect(rig.remote.requestCount()).toBe(0)
})

test('a page is split by owner, each part in the order of the list', async () => {
  const context: JobContext = {
    ...rig.context,
    ownerOf: (_, key) => (key < 'c' ? 'one' : 'other'),
  }
  const [pages] = await pagesOf({ keys: ['d', 'a', 'c', 'b'] }, context)
  expect(pages?.map(({ owner, items }) => [owner, items.map(({ key }) => key)])).toEqual([
    ['other', ['d', 'c']],
    ['one', ['a', 'b']],
  ])
})

test.each([
  [{ keys: ['a'], prefix: 'a' }, undefined],
  [{ template: '{1}' }, undefined],
  [{ keys: ['a'] }, 'nowhere'],
  [{ keys: ['a'] }, '-1'],
] as const)('%j from %j is refused', async (selection, cursor) => {
  const lease = new HeldLease()
  await expect(
    listSelected(rig.context, { bucket, selection, cursor, lease }),
  ).rejects.toMatchObject({ code: 'argument-invalid' })
})
