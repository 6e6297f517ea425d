import { checkArgs } from '@forebay/jobs/check-schema'
import { DELETE } from '@forebay/jobs/kinds/delete'
import type { BucketRecord } from '@forebay/model/bucket'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HeldLease, JobRig } from '../testing/job-rig.ts'
import { DELETE_WORK } from './delete.ts'

let rig: JobRig

beforeEach(async () => {
  rig = await JobRig.open()
})

afterEach(() => rig.close())

test('an order must say which objects; all of them is a word of its own', () => {
  expect(() => checkArgs(DELETE, {})).toThrow('nothing says which objects to delete')
  for (const args of [{ prefix: '' }, { keys: ['k'] }, { template: 'a{1..2}' }, { all: true }]) {
    expect(checkArgs(DELETE, args)).toEqual(args)
  }
})

describe.each(['native', 'stored'] as const)('a %s bucket', (kind) => {
  let bucket: BucketRecord

  beforeEach(async () => {
    bucket = await rig[kind]('bucket')
    await rig.put(bucket, 'a/1', 'one')
    await rig.put(bucket, 'a/2', 'two')
    await rig.put(bucket, 'b', 'three')
    rig.nowMs += 5000
  })

  test('what has the prefix is deleted', async () => {
    const job = rig.job('delete', bucket, { prefix: 'a/' })
    expect(await rig.run(DELETE_WORK, job)).toEqual({ 'a/1': 'done', 'a/2': 'done' })
    expect(await rig.contents(bucket)).toEqual({ b: 'three' })
  })

  test('keys that are named are deleted, what is not there is left out', async () => {
    const job = rig.job('delete', bucket, { keys: ['b', 'none'] })
    expect(await rig.run(DELETE_WORK, job)).toEqual({ b: 'done', none: 'absent' })
    expect(await rig.contents(bucket)).toEqual({ 'a/1': 'one', 'a/2': 'two' })
  })

  test('an object that is written anew meanwhile stays, were it the same bytes', async () => {
    const job = rig.job('delete', bucket, { all: true })
    const items = await rig.list(DELETE_WORK, job)
    rig.nowMs += 1
    await rig.put(bucket, 'a/1', 'one')
    await rig.remove(bucket, 'a/2')
    await rig.put(bucket, 'a/2', 'two')
    await rig.remove(bucket, 'b')
    const results = []
    for (const item of items) results.push(await rig.apply(DELETE_WORK, job, item))
    expect(results).toEqual([
      { kind: 'skipped', why: 'changed' },
      { kind: 'skipped', why: 'changed' },
      { kind: 'skipped', why: 'absent' },
    ])
    expect(await rig.contents(bucket)).toEqual({ 'a/1': 'one', 'a/2': 'two' })
  })

  test('what was written after the job began stays, also where the list saw it, or it was named', async () => {
    const job = rig.job('delete', bucket, { all: true })
    await rig.put(bucket, 'a/1', 'new')
    rig.nowMs += 10_000
    expect(await rig.run(DELETE_WORK, job)).toMatchObject({ 'a/1': 'changed', b: 'done' })
    const named = { ...job, args: { keys: ['a/1'] } }
    expect(await rig.run(DELETE_WORK, named)).toEqual({ 'a/1': 'changed' })
    expect(await rig.contents(bucket)).toEqual({ 'a/1': 'new' })
  })

  test('a page that comes again deletes nothing that was written since', async () => {
    const job = rig.job('delete', bucket, { keys: ['b'] })
    await rig.run(DELETE_WORK, job)
    rig.nowMs += 1
    await rig.put(bucket, 'b', 'three')
    expect(await rig.run(DELETE_WORK, job)).toEqual({ b: 'changed' })
    expect(await rig.contents(bucket)).toHaveProperty('b')
  })

  test('who has lost the lease deletes nothing', async () => {
    const job = rig.job('delete', bucket, { all: true })
    const [item] = await rig.list(DELETE_WORK, job)
    if (item === undefined) throw new Error('the list is empty')
    const lease = new HeldLease()
    lease.lose(new Error('the lease is lost'))
    await expect(DELETE_WORK.apply(rig.context, { job, item, lease })).rejects.toThrow()
    expect(await rig.contents(bucket)).toHaveProperty('b')
  })
})

test('what others overwrite at the store in the same second as before cannot be told, and stays', async () => {
  const bucket = await rig.stored('bucket')
  rig.remote.put('bucket', 'k', 'same')
  rig.nowMs += 300
  const job = rig.job('delete', bucket, { all: true })
  const items = await rig.list(DELETE_WORK, job)
  rig.remote.put('bucket', 'k', 'same')
  rig.nowMs += 60_000
  for (const item of items) {
    expect(await rig.apply(DELETE_WORK, job, item)).toEqual({ kind: 'skipped', why: 'changed' })
  }
  expect(await rig.contents(bucket)).toEqual({ k: 'same' })
})
