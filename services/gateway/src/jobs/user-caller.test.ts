import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@forebay/base/clock'
import { EmbeddedBucketTable } from '@forebay/control/embedded-bucket-table'
import type { JobOrder, JobSchedule } from '@forebay/jobs/job'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { User } from '../authentication/identity.ts'
import { BucketResolver } from '../buckets/resolve-bucket.ts'
import { JOBS_OPEN_PER_USER_MAX } from './job-service.ts'
import { type JobRig, openJobRig } from './testing/job-rig.ts'
import { callerOfUser } from './user-caller.ts'

const BUCKET = { provider: 'aws', namespace: { uuid: '', name: '' }, name: 'photos' } as const
const ORDER: JobOrder = { kind: 'prefetch', bucket: BUCKET, args: {}, user: 'ada' }

const user = (more: Partial<User>): User => ({
  ...{ id: 'ada', accessKey: 'AK', secretKey: 'secret-key', policy: 'readwrite' },
  buckets: ['photos'],
  ...more,
})

let dataDir: string
let table: EmbeddedBucketTable
let resolver: BucketResolver
let rig: JobRig

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'forebay-callers-'))
  table = await EmbeddedBucketTable.open({ dataDir, clusterId: 'test', clock: systemClock })
  resolver = new BucketResolver({
    ...{ table, providers: [], allow: [], clock: systemClock },
    ...{ negativeTtlMs: 1000, negativeMax: 2 },
  })
  await table.create(BUCKET, { backend: { provider: 'aws', bucket: 'photos' } })
  rig = await openJobRig()
})

afterEach(async () => {
  await rig.close()
  await rm(dataDir, { recursive: true, force: true })
})

/** What becomes of an order of the clock while these are the users; none: open mode. */
async function outcome(users: readonly User[] | 'open', order: JobOrder = ORDER): Promise<string> {
  const mode = users === 'open' ? 'open' : 'users'
  const callers = { mode, users: users === 'open' ? [] : users, table, resolver } as const
  const schedule: JobSchedule = { id: 's', cron: '* * * * *', timeZone: 'UTC', order, nextMs: 0 }
  const refusal = await rig.service.refusalOf(schedule, callerOfUser(order.user, callers))
  return refusal === undefined ? 'taken' : `${refusal.code}: ${refusal.message}`
}

test('the order of a user who may give it is taken, and in open mode that of anybody', async () => {
  expect(await outcome([user({})])).toBe('taken')
  expect(await outcome([user({ policy: 'admin', buckets: [] })])).toBe('taken')
  expect(await outcome('open')).toBe('taken')
  expect(await outcome('open', { ...ORDER, user: undefined })).toBe('taken')
})

test('a user who was removed may order nothing, whoever else has the right', async () => {
  const refused = 'access-denied: user "ada" may not order prefetch on aws://photos now'
  expect(await outcome([user({ id: 'bob', policy: 'admin' })])).toBe(refused)
  expect(await outcome([])).toBe(refused)
})

test('a user who lost the bucket, or the right that the kind needs, is refused', async () => {
  expect(await outcome([user({ buckets: ['other'] })])).toMatch(/^access-denied/)
  const write = { ...ORDER, kind: 'delete', args: { all: true } }
  expect(await outcome([user({})], write)).toBe('taken')
  expect(await outcome([user({ policy: 'readonly' })], write)).toMatch(/^access-denied/)
})

test('a user with several keys may what one of them may', async () => {
  const others = user({ accessKey: 'AK2', buckets: ['other'] })
  expect(await outcome([others, user({})])).toBe('taken')
  expect(await outcome([others])).toMatch(/^access-denied/)
})

test('an order of open mode is refused once there are users', async () => {
  const order = { ...ORDER, user: undefined }
  expect(await outcome([user({})], order)).toMatch(/^access-denied: a caller without a name/)
})

test('an order without a bucket needs an administrator', async () => {
  const order: JobOrder = { kind: 'cleanup', args: {}, user: 'ada' }
  expect(await outcome([user({})], order)).toMatch(/^access-denied: .* on this node/)
  expect(await outcome([user({ policy: 'admin' })], order)).toBe('taken')
})

test('a bucket that is gone, a kind that is none and arguments that do not fit are refused', async () => {
  const gone = { ...BUCKET, name: 'photos-of-old' }
  const admin = [user({ policy: 'admin' })]
  expect(await outcome(admin, { ...ORDER, bucket: gone })).toMatch(/^bucket-not-found/)
  expect(await outcome(admin, { ...ORDER, kind: 'dance' })).toMatch(/^argument-invalid/)
  expect(await outcome(admin, { ...ORDER, args: { latst: 1 } })).toMatch(/^argument-invalid/)
})

test('the destination is looked at as the source is', async () => {
  const order: JobOrder = { ...ORDER, kind: 'copy-bucket', args: { to: 'ais://scratch' } }
  // A native destination may be absent: an administrator may make it, others may not.
  expect(await outcome([user({ policy: 'admin' })], order)).toBe('taken')
  expect(await outcome([user({ buckets: ['*'] })], order)).not.toBe('taken')
  await table.create({ ...BUCKET, provider: 'ais', name: 'scratch' }, {})
  expect(await outcome([user({ buckets: ['*'] })], order)).toBe('taken')
  expect(await outcome([user({})], order)).toMatch(/^access-denied/)
})

test('a user whose jobs are as many as may be gets no more by the clock', async () => {
  rig.hold()
  for (let at = 0; at < JOBS_OPEN_PER_USER_MAX; at++)
    await rig.engine.submit({ ...ORDER, args: { keys: ['a'] } })
  expect(await outcome([user({})])).toMatch(/^jobs-too-many/)
  expect(await outcome([user({ id: 'bob' })], { ...ORDER, user: 'bob' })).toBe('taken')
})
