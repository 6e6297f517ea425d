import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@forebay/base/clock'
import { type FailureCode, isFailure } from '@forebay/base/failure'
import { EmbeddedBucketTable } from '@forebay/control/embedded-bucket-table'
import type { Provider } from '@forebay/model/bucket'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Identity, OPEN, type Policy } from '../authentication/identity.ts'
import { BucketResolver } from './resolve-bucket.ts'

const signal = new AbortController().signal
const failsAs = (code: FailureCode) => expect.toSatisfy((error) => isFailure(error, code))
const ref = (name: string, provider: Provider = 'ais') => ({
  provider,
  namespace: { uuid: '', name: '' },
  name,
})
const user = (policy: Policy, buckets: readonly string[]): Identity => ({
  kind: 'user',
  user: { id: 'u', accessKey: 'AK', secretKey: 'secret-key', policy, buckets },
})

let dataDir: string
let table: EmbeddedBucketTable
let asked: string[]
let nowMs: number
let resolver: BucketResolver

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'forebay-buckets-'))
  table = await EmbeddedBucketTable.open({ dataDir, clusterId: 'test', clock: systemClock })
  asked = []
  nowMs = 0
  resolver = new BucketResolver({
    table,
    providers: [
      {
        provider: 'aws',
        lookup: async (name) => {
          asked.push(name)
          if (name === 'broken') throw new Error('no answer')
          return name.startsWith('there') ? { provider: 'aws', bucket: name } : undefined
        },
      },
    ],
    allow: ['there-public-*'],
    clock: { ...systemClock, monotonic: () => nowMs },
    negativeTtlMs: 1000,
    negativeMax: 2,
  })
})

afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true })
})

const resolve = (name: string, identity: Identity = OPEN, provider?: Provider) =>
  resolver.resolve({ name, identity, provider, permission: 'read' }, signal)

test('ais comes first, then the only match, then an alias', async () => {
  await table.create(ref('a'))
  await table.create(ref('a', 'aws'))
  await table.create(ref('b', 'gcp'), { aliases: ['c'] })
  expect((await resolve('a')).ref.provider).toBe('ais')
  expect((await resolve('a', OPEN, 'aws')).ref.provider).toBe('aws')
  expect((await resolve('b')).ref.provider).toBe('gcp')
  expect((await resolve('c')).ref.name).toBe('b')
  expect(asked).toEqual([])
})

test('two matches without an ais bucket are ambiguous and named', async () => {
  await table.create(ref('a', 'aws'))
  await table.create(ref('a', 'gcp'))
  await expect(resolve('a')).rejects.toThrow(failsAs('bucket-ambiguous'))
  await expect(resolve('a')).rejects.toThrow('aws://a, gcp://a')
})

test('in open mode a bucket of a provider is brought in, once for many callers', async () => {
  const found = await Promise.all([resolve('there-1'), resolve('there-1'), resolve('there-1')])
  expect(new Set(found.map(({ id }) => id)).size).toBe(1)
  expect(found[0]?.backend).toEqual({ provider: 'aws', bucket: 'there-1' })
  expect(asked).toEqual(['there-1'])
  expect((await resolve('there-1')).id).toBe(found[0]?.id)
  expect(asked).toEqual(['there-1'])
})

test('with users a bucket is brought in by an admin, or by anybody where its name is allowed', async () => {
  const writer = user('readwrite', ['there-*'])
  await expect(resolve('there-1', writer)).rejects.toThrow(failsAs('bucket-not-found'))
  expect(asked).toEqual([])
  expect((await resolve('there-public-1', writer)).ref.name).toBe('there-public-1')
  expect((await resolve('there-1', user('admin', []))).ref.name).toBe('there-1')
  expect((await resolve('there-1', writer)).ref.name).toBe('there-1')
})

test('who may not use a bucket does not learn whether it exists', async () => {
  await table.create(ref('secret'))
  const reader = user('readonly', ['mine'])
  for (const name of ['secret', 'absent', 'there-public-1']) {
    await expect(resolve(name, reader)).rejects.toThrow(failsAs('access-denied'))
  }
  expect(asked).toEqual([])
})

test('an absent name is remembered for its time, and no more names than the bound', async () => {
  for (const name of ['absent', 'absent']) {
    await expect(resolve(name)).rejects.toThrow(failsAs('bucket-not-found'))
  }
  expect(asked).toEqual(['absent'])
  nowMs = 1001
  await expect(resolve('absent')).rejects.toThrow(failsAs('bucket-not-found'))
  expect(asked).toEqual(['absent', 'absent'])
  for (const name of ['absent-2', 'absent-3', 'absent']) {
    await expect(resolve(name)).rejects.toThrow(failsAs('bucket-not-found'))
  }
  expect(asked).toEqual(['absent', 'absent', 'absent-2', 'absent-3', 'absent'])
})

test('a provider that does not answer is not taken for one that says no', async () => {
  await expect(resolve('broken')).rejects.toThrow('no answer')
  await expect(resolve('broken')).rejects.toThrow('no answer')
  expect(asked).toEqual(['broken', 'broken'])
})

test.each(['..', '../x', 'a/b', 'a?b', 'a%2f', '', 'x'])(
  'no provider is asked for %j',
  async (name) => {
    await expect(resolve(name)).rejects.toThrow(failsAs('bucket-not-found'))
    expect(asked).toEqual([])
  },
)

test('no provider is asked for an ais bucket, another namespace, or where only the table counts', async () => {
  const request = { name: 'there-1', identity: OPEN, permission: 'read' } as const
  for (const more of [
    { provider: 'ais' },
    { namespace: { uuid: '', name: 'x' } },
    { lookUp: false },
  ] as const) {
    await expect(resolver.resolve({ ...request, ...more }, signal)).rejects.toThrow(
      failsAs('bucket-not-found'),
    )
  }
  expect(asked).toEqual([])
})
