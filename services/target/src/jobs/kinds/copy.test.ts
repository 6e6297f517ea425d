import { checkArgs } from '@forebay/jobs/check-schema'
import { COPY_BUCKET } from '@forebay/jobs/kinds/copy-bucket'
import { COPY_OBJECTS } from '@forebay/jobs/kinds/copy-objects'
import type { BucketRecord } from '@forebay/model/bucket'
import { formatBucket } from '@forebay/model/bucket'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HeldLease, JobRig } from '../testing/job-rig.ts'
import { copyWork } from './copy.ts'
import { isSurplus } from './surplus.ts'

const COPY = copyWork('copy-objects')

let rig: JobRig

beforeEach(async () => {
  rig = await JobRig.open()
})

afterEach(() => rig.close())

test('what does not go together is refused', () => {
  const to = 'ais://b'
  expect(() => checkArgs(COPY_BUCKET, { to, sync: true, prepend: 'x/' })).toThrow('prepend')
  expect(() => checkArgs(COPY_OBJECTS, { to, sync: true, keys: ['k'] })).toThrow('prefix')
  expect(() => checkArgs(COPY_OBJECTS, { to, sync: true, template: 'k{1..2}' })).toThrow('prefix')
  expect(() => checkArgs(COPY_BUCKET, { to, keys: ['k'] })).toThrow('no property "keys"')
  expect(checkArgs(COPY_BUCKET, { to, sync: true, prepend: '' })).toHaveProperty('sync')
  expect(() => checkArgs(COPY_BUCKET, { to, sync: true, flat: true })).toThrow('flat')
  const keyTo = 'x'
  expect(() => checkArgs(COPY_OBJECTS, { to, keyTo, keys: ['a', 'b'] })).toThrow('one key')
  expect(() => checkArgs(COPY_OBJECTS, { to, keyTo, template: 'a' })).toThrow('one key')
  expect(() => checkArgs(COPY_OBJECTS, { to, keyTo, keys: ['a'], prepend: 'p' })).toThrow('prepend')
  expect(() => checkArgs(COPY_BUCKET, { to, keyTo })).toThrow('no property "keyTo"')
  expect(checkArgs(COPY_OBJECTS, { to, keyTo, keys: ['a'] })).toMatchObject({ keyTo })
})

test('a bucket is not copied onto itself; a dry run of it finds everything there', async () => {
  const bucket = await rig.native('one')
  await rig.put(bucket, 'k', 'bytes')
  rig.nowMs += 5000
  const dry = rig.job('copy-bucket', bucket, { to: 'ais://one', dryRun: true })
  expect(await rig.run(COPY, dry)).toEqual({ k: 'equal' })
  const job = rig.job('copy-bucket', bucket, { to: 'ais://one' })
  await expect(rig.list(COPY, job)).rejects.toMatchObject({ code: 'argument-invalid' })
})

test('a native destination is made, with the properties of a native source; of a provider it must be there', async () => {
  const bucket = await rig.native('one')
  await rig.context.buckets.update(bucket.id, { properties: { syncWrites: false } })
  await rig.list(COPY, rig.job('copy-bucket', bucket, { to: 'ais://two' }))
  await rig.list(COPY, rig.job('copy-bucket', bucket, { to: 'ais://two' }))
  expect(rig.context.buckets.get('two')).toMatchObject([{ properties: { syncWrites: false } }])
  const absent = rig.job('copy-bucket', bucket, { to: 's3://none' })
  await expect(rig.list(COPY, absent)).rejects.toMatchObject({ code: 'bucket-not-found' })
})

test('copied under a prefix of its own, a bucket is copied once', async () => {
  const bucket = await rig.native('one')
  await rig.put(bucket, 'a', 'A')
  rig.nowMs += 5000
  const job = rig.job('copy-bucket', bucket, { to: 'ais://one', prepend: 'b/' })
  expect(await rig.run(COPY, job)).toEqual({ a: 'done' })
  expect(await rig.run(COPY, job)).toEqual({ a: 'equal', 'b/a': 'new' })
  expect(await rig.contents(bucket)).toEqual({ a: 'A', 'b/a': 'A' })
})

test('one object is copied to the key that is named, also inside its bucket', async () => {
  const bucket = await rig.native('one')
  const other = await rig.stored('other')
  await rig.put(bucket, 'a', 'A')
  rig.nowMs += 5000
  const to = (url: string, keyTo: string, keys = ['a']) =>
    rig.job('copy-objects', bucket, { to: url, keys, keyTo })
  expect(await rig.run(COPY, to('ais://one', 'dir/b'))).toEqual({ a: 'done' })
  expect(await rig.run(COPY, to('ais://one', 'dir/b'))).toEqual({ a: 'equal' })
  expect(await rig.run(COPY, to('aws://other', 'c'))).toEqual({ a: 'done' })
  expect(await rig.contents(bucket)).toEqual({ a: 'A', 'dir/b': 'A' })
  expect(await rig.contents(other)).toEqual({ c: 'A' })
  await rig.put(bucket, 'fresh', 'new')
  expect(await rig.run(COPY, to('ais://one', 'fresh-2', ['fresh']))).toEqual({ fresh: 'done' })
  await expect(rig.run(COPY, to('ais://one', 'b', ['gone']))).rejects.toMatchObject({
    code: 'object-not-found',
  })
  await expect(rig.list(COPY, to('ais://one', 'a'))).rejects.toMatchObject({
    code: 'argument-invalid',
  })
})

const PAIRS = [
  ['native', 'native'],
  ['native', 'stored'],
  ['stored', 'native'],
  ['stored', 'stored'],
] as const

describe.each(PAIRS)('from a %s to a %s bucket', (from, into) => {
  let source: BucketRecord
  let copy: BucketRecord
  let to: string

  beforeEach(async () => {
    source = await rig[from]('source')
    copy = await rig[into]('copy')
    to = formatBucket(copy.ref)
    await rig.put(source, 'a/1', 'one')
    await rig.put(source, 'a/2', 'two')
    await rig.put(source, 'b', 'three')
    await rig.put(copy, 'a/2', 'two')
    await rig.put(copy, 'b', 'old')
    await rig.put(copy, 'c', 'more')
    rig.nowMs += 5000
  })

  test('what is absent or other is copied, and what is the same stays; the rest is not touched', async () => {
    const job = rig.job('copy-bucket', source, { to })
    expect(await rig.run(COPY, job)).toEqual({ 'a/1': 'done', 'a/2': 'equal', b: 'done' })
    const all = { 'a/1': 'one', 'a/2': 'two', b: 'three', c: 'more' }
    expect(await rig.contents(copy)).toEqual(all)
    expect(await rig.run(COPY, job)).toEqual({ 'a/1': 'equal', 'a/2': 'equal', b: 'equal' })
  })

  test('sync deletes what the source has not, within the prefix', async () => {
    await rig.put(copy, 'a/3', 'more')
    rig.nowMs += 5000
    const within = rig.job('copy-bucket', source, { to, sync: true, prefix: 'a/' })
    expect(await rig.run(COPY, within)).toEqual({ 'a/1': 'done', 'a/2': 'equal', 'a/3': 'done' })
    expect(await rig.contents(copy)).toHaveProperty('c')
    const whole = rig.job('copy-bucket', source, { to, sync: true })
    await rig.run(COPY, whole)
    expect(await rig.contents(copy)).toEqual(await rig.contents(source))
  })

  test('sync leaves what the source has by then, and what a user writes meanwhile', async () => {
    await rig.put(copy, 'd', 'more')
    rig.nowMs += 5000
    const job = rig.job('copy-bucket', source, { to, sync: true })
    const items = await rig.list(COPY, job)
    rig.nowMs += 1
    await rig.put(source, 'c', 'here')
    await rig.put(copy, 'd', 'more')
    const surplus = items.filter(isSurplus)
    expect(surplus.map(({ key }) => key)).toEqual(['c', 'd'])
    const results = []
    for (const item of surplus) results.push(await rig.apply(COPY, job, item))
    expect(results).toEqual([
      { kind: 'skipped', why: 'wanted' },
      { kind: 'skipped', why: 'changed' },
    ])
  })

  test('a dry run counts and changes nothing', async () => {
    const before = await rig.contents(copy)
    const job = rig.job('copy-bucket', source, { to, dryRun: true, sync: true })
    const done = { 'a/1': 'done', 'a/2': 'equal', b: 'done', c: 'done' }
    expect(await rig.run(COPY, job)).toEqual(done)
    expect(await rig.contents(copy)).toEqual(before)
    const none = rig.job('copy-bucket', source, { to: 'ais://none', dryRun: true })
    expect(await rig.run(COPY, none)).toEqual({ 'a/1': 'done', 'a/2': 'done', b: 'done' })
    expect(rig.context.buckets.get('none')).toEqual([])
  })

  test('without overwriting, what is there stays', async () => {
    const job = rig.job('copy-bucket', source, { to, overwrite: false })
    expect(await rig.run(COPY, job)).toEqual({ 'a/1': 'done', 'a/2': 'exists', b: 'exists' })
  })

  test('what a user writes into the destination meanwhile is not overwritten', async () => {
    const job = rig.job('copy-bucket', source, { to })
    const items = await rig.list(COPY, job)
    rig.nowMs += 1
    await rig.put(copy, 'a/1', 'mine')
    await rig.put(copy, 'b', 'old')
    for (const item of items) await rig.apply(COPY, job, item)
    expect(await rig.contents(copy)).toMatchObject({ 'a/1': 'mine', b: 'old' })
  })

  test('only the version that was listed is copied, or the latest where that is wanted', async () => {
    const job = rig.job('copy-bucket', source, { to })
    const items = await rig.list(COPY, job)
    rig.nowMs += 2000
    await rig.put(source, 'a/1', 'changed')
    await rig.remove(source, 'b')
    const results = []
    for (const item of items) results.push(await rig.apply(COPY, job, item))
    expect(results).toEqual([
      { kind: 'skipped', why: 'changed' },
      { kind: 'skipped', why: 'equal' },
      { kind: 'skipped', why: expect.stringMatching('changed|absent') },
    ])
    expect(await rig.contents(copy)).toEqual({ 'a/2': 'two', b: 'old', c: 'more' })
    const latest = { ...job, args: { to, latest: true } }
    for (const item of items) await rig.apply(COPY, latest, item)
    expect(await rig.contents(copy)).toMatchObject({ 'a/1': 'changed', b: 'old' })
  })

  test('keys that are named are copied under their prefix', async () => {
    const job = rig.job('copy-objects', source, { to, keys: ['b', 'none'], prepend: 'x/' })
    expect(await rig.run(COPY, job)).toEqual({ b: 'done', none: 'absent' })
    expect(await rig.contents(copy)).toMatchObject({ 'x/b': 'three' })
  })

  test('who has lost the lease writes nothing', async () => {
    const job = rig.job('copy-bucket', source, { to })
    const [item] = await rig.list(COPY, job)
    if (item === undefined) throw new Error('the list is empty')
    const lease = new HeldLease()
    lease.lose(new Error('the lease is lost'))
    await expect(COPY.apply(rig.context, { job, item, lease })).rejects.toThrow()
    expect(await rig.contents(copy)).not.toHaveProperty('a/1')
  })
})

test('a copy whose tag cannot tell is noted with the tag of its source, and is known again', async () => {
  const source = await rig.stored('source')
  const copy = await rig.native('copy')
  rig.remote.put('source', 'k', { bytes: 'parts', etag: 'abc-2' })
  rig.nowMs += 5000
  const job = rig.job('copy-bucket', source, { to: 'ais://copy' })
  expect(await rig.run(COPY, job)).toEqual({ k: 'done' })
  const head = await rig.context.target.head({
    ...{ bucket: copy, key: 'k', conditions: {}, signal: new AbortController().signal },
  })
  expect(head).toMatchObject({ attributes: { metadata: { 'forebay-source-etag': 'abc-2' } } })
  expect(await rig.run(COPY, job)).toEqual({ k: 'equal' })
})

test('into an empty bucket of a store each object costs one request there, and a list of each a page', async () => {
  const source = await rig.native('source')
  const copy = await rig.stored('copy')
  for (let at = 0; at < 20; at++) await rig.put(source, `k${at}`, `bytes ${at}`)
  rig.nowMs += 5000
  rig.remote.resetCounts()
  const job = rig.job('copy-bucket', source, { to: 's3://copy' })
  await rig.run(COPY, job)
  expect(rig.remote.requestCount('write')).toBe(20)
  expect(rig.remote.requestCount()).toBe(21)
  rig.remote.resetCounts()
  await rig.run(COPY, job)
  expect(rig.remote.requestCount()).toBe(1)
  expect(await rig.contents(copy)).toEqual(await rig.contents(source))
})

test('an item that comes again knows what it did itself, though the list told of an older version', async () => {
  const source = await rig.native('source')
  const copy = await rig.stored('copy')
  await rig.put(source, 'a', 'new')
  await rig.put(source, 'b', 'new')
  await rig.put(copy, 'b', 'old')
  rig.nowMs += 5000
  const job = rig.job('copy-bucket', source, { to: 's3://copy' })
  const items = await rig.list(COPY, job)
  const results = []
  for (const item of [...items, ...items]) results.push(await rig.apply(COPY, job, item))
  const [done, equal] = [
    { kind: 'done', bytes: 3 },
    { kind: 'skipped', why: 'equal' },
  ]
  expect(results).toEqual([done, done, equal, equal])
  expect(await rig.contents(copy)).toEqual({ a: 'new', b: 'new' })
})

test('a destination with many names of its own is asked about what its list did not reach', async () => {
  const source = await rig.native('source')
  await rig.stored('copy')
  await rig.put(source, 'a', 'same')
  await rig.put(source, 'z', 'same')
  for (let at = 0; at < 2100; at++) rig.remote.put('copy', `m${at}`, 'more')
  rig.remote.put('copy', 'z', 'same')
  rig.nowMs += 5000
  rig.remote.resetCounts()
  const job = rig.job('copy-bucket', source, { to: 's3://copy' })
  expect(await rig.run(COPY, job)).toEqual({ a: 'done', z: 'equal' })
  expect(rig.remote.requestCount('list')).toBe(2)
  expect(rig.remote.requestCount('head')).toBe(1)
})
