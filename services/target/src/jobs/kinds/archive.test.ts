import type { ByteFile } from '@forebay/archive/byte-source'
import { formatOfName } from '@forebay/archive/format'
import { readArchive } from '@forebay/archive/reader'
import type { JobRecord, JsonObject } from '@forebay/jobs/job'
import type { BucketRecord } from '@forebay/model/bucket'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { JobRig } from '../testing/job-rig.ts'
import { ARCHIVE_WORK } from './archive.ts'

let rig: JobRig
let source: BucketRecord
let destination: BucketRecord

beforeEach(async () => {
  rig = await JobRig.open()
  source = await rig.native('source')
  destination = await rig.native('shards')
})

afterEach(async () => {
  await rig.close()
})

function order(args: JsonObject): JobRecord {
  return rig.job('archive', source, { to: 'ais://shards', ...args })
}

async function fill(names: readonly string[]): Promise<void> {
  // A disk lets no more than a thousand operations wait.
  for (let at = 0; at < names.length; at += 100) {
    const some = names.slice(at, at + 100)
    await Promise.all(some.map((name) => rig.put(source, name, `bytes of ${name}`)))
  }
  rig.nowMs += 5000
}

async function bytesOf(key: string, bucket = destination): Promise<Buffer | undefined> {
  const signal = new AbortController().signal
  const answer = await rig.context.target.read({ bucket, key, conditions: {}, signal })
  if (answer.kind !== 'found') return undefined
  const chunks: Buffer[] = []
  await answer.body.pump?.((chunk) => {
    chunks.push(Buffer.from(chunk))
  }, signal)
  return Buffer.concat(chunks)
}

/** Members of an archive, name to content, in order; `undefined` where there is none. */
async function membersOf(key: string): Promise<readonly (readonly [string, string])[] | undefined> {
  const bytes = await bytesOf(key)
  if (bytes === undefined) return undefined
  const file: ByteFile = {
    sizeBytes: bytes.length,
    read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
  }
  const found: (readonly [string, string])[] = []
  for await (const entry of readArchive(formatOfName(key) ?? 'tar', file)) {
    if (entry.kind !== 'member') throw new Error(`${entry.name}: ${entry.why}`)
    const chunks: Buffer[] = []
    for await (const chunk of entry.bytes()) chunks.push(Buffer.from(chunk))
    found.push([entry.name, Buffer.concat(chunks).toString()])
  }
  return found
}

async function namesOf(key: string): Promise<readonly string[] | undefined> {
  return (await membersOf(key))?.map(([name]) => name)
}

test.each(['tar', 'tgz', 'tar.lz4', 'zip'])(
  'a bucket goes into %s shards of so many members, in the order of its list',
  async (format) => {
    await fill(['c', 'a', 'd/e', 'b', 'd/f'])
    const name = `s-%03d.${format}`
    const results = await rig.run(ARCHIVE_WORK, order({ name, shardMembers: 2 }))
    expect(results).toEqual({
      [`s-000.${format}`]: 'done',
      [`s-001.${format}`]: 'done',
      [`s-002.${format}`]: 'done',
    })
    expect(await membersOf(`s-000.${format}`)).toEqual([
      ['a', 'bytes of a'],
      ['b', 'bytes of b'],
    ])
    expect(await namesOf(`s-001.${format}`)).toEqual(['c', 'd/e'])
    expect(await namesOf(`s-002.${format}`)).toEqual(['d/f'])
  },
)

test('named keys keep the order in which they were named, over all shards', async () => {
  const keys = Array.from({ length: 50 }, (_, at) => `k${(at * 37) % 50}`)
  await fill(keys)
  await rig.run(ARCHIVE_WORK, order({ name: '%d.tar', keys, shardMembers: 20 }))
  const names = [await namesOf('0.tar'), await namesOf('1.tar'), await namesOf('2.tar')]
  expect(names.flat()).toEqual(keys)
})

test('a list of more than one page loses no member and takes none twice', async () => {
  await fill(Array.from({ length: 1300 }, (_, at) => `k${String(at).padStart(5, '0')}`))
  const items = await rig.list(ARCHIVE_WORK, order({ name: '%d.tar', shardMembers: 450 }))
  const members = items.map(({ extra }) => extra?.['members'])
  const keys = members.flatMap((list) => (Array.isArray(list) ? list.map(([key]) => key) : []))
  expect(items.map(({ key }) => key)).toEqual(['0.tar', '1.tar', '2.tar'])
  expect(keys).toEqual(keys.toSorted())
  expect(new Set(keys).size).toBe(1300)
})

test('a shard is closed before it grows beyond its size; a larger object is alone', async () => {
  await rig.put(source, 'a', 'x'.repeat(1000))
  await rig.put(source, 'b', 'x'.repeat(5000))
  await rig.put(source, 'c', 'x'.repeat(500))
  await rig.put(source, 'd', 'x'.repeat(500))
  await rig.run(ARCHIVE_WORK, order({ name: '%d.tar', shardBytes: 2048 }))
  const shards = [await namesOf('0.tar'), await namesOf('1.tar'), await namesOf('2.tar')]
  expect(shards).toEqual([['a'], ['b'], ['c', 'd']])
})

test('a template, a prefix and base names select and name the members', async () => {
  await fill(['p/1.jpg', 'p/2.jpg', 'p/3.jpg', 'q/1.jpg'])
  await rig.run(ARCHIVE_WORK, order({ name: 't.tar', template: 'p/{1..3..2}.jpg' }))
  expect(await namesOf('t.tar')).toEqual(['p/1.jpg', 'p/3.jpg'])
  await rig.run(ARCHIVE_WORK, order({ name: 'p.tar', prefix: 'p/', memberNames: 'base' }))
  expect(await namesOf('p.tar')).toEqual(['1.jpg', '2.jpg', '3.jpg'])
  await rig.run(ARCHIVE_WORK, order({ name: 'b.tar', prefix: 'q/', memberNames: 'bucket-key' }))
  expect(await namesOf('b.tar')).toEqual(['source/q/1.jpg'])
  await fill(['q/deep/2.jpg'])
  await rig.run(ARCHIVE_WORK, order({ name: 'f.tar', prefix: 'q/', flat: true }))
  expect(await namesOf('f.tar')).toEqual(['q/1.jpg'])
})

test('folders are no members, nor archives of the same name in the same bucket', async () => {
  await rig.put(source, 'a', 'x')
  await rig.put(source, 'folder/', '')
  await rig.put(source, 's-000001.tar', 'an archive of yesterday')
  await rig.put(source, 's-x.tar', 'something else')
  rig.nowMs += 5000
  await rig.run(ARCHIVE_WORK, order({ name: 's-%06d.tar', to: 'ais://source' }))
  const shard = await bytesOf('s-000000.tar', source)
  expect(shard?.includes('an archive of yesterday')).toBe(false)
  expect(shard?.includes('something else')).toBe(true)
})

test('an object that changed since it was listed fails its archive, and nothing of it is there', async () => {
  await fill(['a', 'b'])
  const job = order({ name: '0.tar' })
  const [item] = await rig.list(ARCHIVE_WORK, job)
  await rig.put(source, 'b', 'bytes of another version')
  if (item === undefined) throw new Error('nothing was listed')
  await expect(rig.apply(ARCHIVE_WORK, job, item)).rejects.toMatchObject({
    code: 'precondition-failed',
    message: expect.stringContaining('b:'),
  })
  expect(await bytesOf('0.tar')).toBeUndefined()
})

test('an object that is gone fails its archive, or is left out where that was asked for', async () => {
  await fill(['a', 'b', 'c'])
  const failing = order({ name: '0.tar' })
  const skipping = order({ name: '1.tar', onMissing: 'skip' })
  const [failed] = await rig.list(ARCHIVE_WORK, failing)
  const [skipped] = await rig.list(ARCHIVE_WORK, skipping)
  await rig.remove(source, 'b')
  if (failed === undefined || skipped === undefined) throw new Error('nothing was listed')
  await expect(rig.apply(ARCHIVE_WORK, failing, failed)).rejects.toMatchObject({
    code: 'object-not-found',
  })
  await rig.apply(ARCHIVE_WORK, skipping, skipped)
  expect(await namesOf('0.tar')).toBeUndefined()
  expect(await namesOf('1.tar')).toEqual(['a', 'c'])
})

test('a key that is named and missing fails its archive until it is there', async () => {
  await fill(['a'])
  const job = order({ name: '0.tar', keys: ['late', 'a'] })
  const [item] = await rig.list(ARCHIVE_WORK, job)
  if (item === undefined) throw new Error('nothing was listed')
  await expect(rig.apply(ARCHIVE_WORK, job, item)).rejects.toMatchObject({
    code: 'object-not-found',
  })
  await rig.put(source, 'late', 'at last')
  await rig.apply(ARCHIVE_WORK, job, item)
  expect(await membersOf('0.tar')).toEqual([
    ['late', 'at last'],
    ['a', 'bytes of a'],
  ])
})

test('a shard that is delivered twice is written once', async () => {
  await fill(['a'])
  const job = order({ name: '0.tar' })
  const [item] = await rig.list(ARCHIVE_WORK, job)
  if (item === undefined) throw new Error('nothing was listed')
  const first = await rig.apply(ARCHIVE_WORK, job, item)
  const written = await rig.context.target.head({
    ...{ bucket: destination, key: '0.tar', conditions: {} },
    signal: new AbortController().signal,
  })
  rig.nowMs += 5000
  expect(await rig.apply(ARCHIVE_WORK, job, item)).toEqual(first)
  const again = await rig.context.target.head({
    ...{ bucket: destination, key: '0.tar', conditions: {} },
    signal: new AbortController().signal,
  })
  if (written.kind !== 'found' || again.kind !== 'found') throw new Error('no archive')
  expect(again.attributes.lastModifiedMs).toBe(written.attributes.lastModifiedMs)
  expect(written.attributes.headers.contentType).toBe('application/x-tar')
  expect(written.attributes.checksums).toMatchObject([{ kind: 'whole' }])
})

test('an archive from before the job is replaced, one that somebody wrote since is not', async () => {
  await fill(['a'])
  await rig.put(destination, 'old.tar', 'of yesterday')
  rig.nowMs += 5000
  await rig.run(ARCHIVE_WORK, order({ name: 'old.tar' }))
  expect(await namesOf('old.tar')).toEqual(['a'])
  const job = order({ name: 'new.tar' })
  rig.nowMs += 5000
  await rig.put(destination, 'new.tar', 'of somebody else')
  await expect(rig.run(ARCHIVE_WORK, job)).rejects.toMatchObject({ code: 'precondition-failed' })
  expect((await bytesOf('new.tar'))?.toString()).toBe('of somebody else')
})

test('what is added stands behind what is there, once however often it is delivered', async () => {
  await fill(['a', 'b', 'c'])
  const add = async (keys: readonly string[], id: string): Promise<void> => {
    const job = { ...order({ name: '0.tar', keys, append: true }), id }
    const [item] = await rig.list(ARCHIVE_WORK, job)
    if (item === undefined) throw new Error('nothing was listed')
    await rig.apply(ARCHIVE_WORK, job, item)
    await rig.apply(ARCHIVE_WORK, job, item)
  }
  await add(['a'], 'one')
  await add(['c', 'b'], 'two')
  expect(await membersOf('0.tar')).toEqual([
    ['a', 'bytes of a'],
    ['c', 'bytes of c'],
    ['b', 'bytes of b'],
  ])
  // A late delivery of the first job finds that its part is in it.
  const late = { ...order({ name: '0.tar', keys: ['a'], append: true }), id: 'one' }
  await rig.run(ARCHIVE_WORK, late)
  expect(await namesOf('0.tar')).toEqual(['a', 'c', 'b'])
})

test('nothing is added to what is no archive', async () => {
  await fill(['a'])
  await rig.put(destination, '0.tar', 'no archive at all'.repeat(100))
  await expect(rig.run(ARCHIVE_WORK, order({ name: '0.tar', append: true }))).rejects.toMatchObject(
    { code: 'archive-invalid' },
  )
})

test('one archive that would be too large is refused, with what to do', async () => {
  await fill(['a', 'b', 'c'])
  await expect(
    rig.list(ARCHIVE_WORK, order({ name: 'all.tar', shardMembers: 2 })),
  ).rejects.toMatchObject({ code: 'argument-invalid', message: expect.stringContaining('%06d') })
})

test('members of a bucket with a store are fetched, and shards written through', async () => {
  source = await rig.stored('origin')
  destination = await rig.stored('out')
  for (const key of ['a', 'b', 'c']) await rig.put(source, key, `bytes of ${key}`)
  rig.nowMs += 5000
  const job = order({ name: '%d.tgz', shardMembers: 2, to: 'aws://out' })
  await rig.run(ARCHIVE_WORK, job)
  expect(await membersOf('0.tgz')).toEqual([
    ['a', 'bytes of a'],
    ['b', 'bytes of b'],
  ])
  expect(await namesOf('1.tgz')).toEqual(['c'])
})

test('a native bucket for the archives is made, and not made again when it was destroyed', async () => {
  await fill(['a'])
  const job = order({ name: '0.tar', to: 'ais://new' })
  const [item] = await rig.list(ARCHIVE_WORK, job)
  const [made] = rig.context.buckets.get('new')
  if (item === undefined || made === undefined) throw new Error('nothing was listed or made')
  await rig.context.buckets.destroy(made.id)
  await expect(rig.apply(ARCHIVE_WORK, job, item)).rejects.toMatchObject({
    code: 'bucket-not-found',
  })
  expect(rig.context.buckets.get('new')).toEqual([])
})

test('a lease that is lost leaves nothing behind', async () => {
  await fill(['a'])
  const job = order({ name: '0.tar' })
  const [item] = await rig.list(ARCHIVE_WORK, job)
  if (item === undefined) throw new Error('nothing was listed')
  const lost = new Error('the lease is lost')
  const lease = {
    signal: new AbortController().signal,
    check: () => {
      throw lost
    },
  }
  await expect(ARCHIVE_WORK.apply(rig.context, { job, item, lease })).rejects.toBe(lost)
  expect(await bytesOf('0.tar')).toBeUndefined()
})
