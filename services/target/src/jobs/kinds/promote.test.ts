import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JsonObject } from '@forebay/jobs/job'
import type { BucketRecord } from '@forebay/model/bucket'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { HeldLease, JobRig } from '../testing/job-rig.ts'
import { PROMOTE_WORK } from './promote.ts'
import { versionOfPath } from './promoted-file.ts'

let rig: JobRig
let bucket: BucketRecord
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forebay-promote-'))
  rig = await JobRig.open({ promoteFolders: [join(folder, 'open')] })
  bucket = await rig.native('bucket')
  await mkdir(join(folder, 'open/sub/deep'), { recursive: true })
  for (const name of ['b', 'a', 'sub/c', 'sub/deep/d', 'sub.e']) {
    await writeFile(join(folder, 'open', name), `bytes of ${name}`)
  }
  await writeFile(join(folder, 'secret'), 'secret')
  rig.nowMs += 5000
})

afterEach(async () => {
  await rig.close()
  await rm(folder, { recursive: true, force: true })
})

const open = (name = ''): string => join(folder, 'open', name)

function job(args: JsonObject) {
  return rig.job('promote', bucket, args)
}

test('the files of a directory become objects, those below it where that is wanted', async () => {
  expect(await rig.run(PROMOTE_WORK, job({ source: open() }))).toEqual({
    ...{ a: 'done', b: 'done', 'sub.e': 'done' },
  })
  const all = job({ source: open(), recursive: true, prepend: 'in/' })
  const items = await rig.list(PROMOTE_WORK, all)
  expect(items.map(({ key }) => key)).toEqual(
    ['a', 'b', 'sub.e', 'sub/c', 'sub/deep/d'].map((name) => `in/${name}`),
  )
  for (const item of items) await rig.apply(PROMOTE_WORK, all, item)
  expect(await rig.contents(bucket)).toMatchObject({
    ...{ a: 'bytes of a', 'in/sub/c': 'bytes of sub/c', 'in/sub/deep/d': 'bytes of sub/deep/d' },
  })
  expect(await rig.run(PROMOTE_WORK, job({ source: open('a'), prepend: 'x' }))).toEqual({
    xa: 'done',
  })
})

test('a file gets the key that is named, the files of a directory one below it', async () => {
  expect(await rig.run(PROMOTE_WORK, job({ source: open('a'), name: 'x/named' }))).toEqual({
    'x/named': 'done',
  })
  expect(await rig.run(PROMOTE_WORK, job({ source: open('sub'), name: 'set' }))).toEqual({
    'set/c': 'done',
  })
})

test('a directory of more than a page is listed once, each file', async () => {
  await mkdir(open('many/m'), { recursive: true })
  const names = Array.from({ length: 1203 }, (_, at) => (at % 2 === 0 ? `${at}` : `m/${at}`))
  for (const name of names) await writeFile(open(`many/${name}`), '')
  const items = await rig.list(PROMOTE_WORK, job({ source: open('many'), recursive: true }))
  expect(items.map(({ key }) => key)).toEqual(names.toSorted())
})

test('an item that names a file elsewhere gets nothing out', async () => {
  const order = job({ source: open() })
  const [item] = await rig.list(PROMOTE_WORK, order)
  const found = await versionOfPath(join(folder, 'secret'))
  const forged = { ...item, key: 'x', version: found, extra: { path: join(folder, 'secret') } }
  await expect(rig.apply(PROMOTE_WORK, order, forged)).rejects.toMatchObject({
    code: 'access-denied',
  })
  expect(await rig.contents(bucket)).toEqual({})
})

test('a second time stores nothing, and what is there stays unless it is to be overwritten', async () => {
  await rig.put(bucket, 'a', 'other')
  rig.nowMs += 5000
  const order = { source: open(), prepend: '' }
  expect(await rig.run(PROMOTE_WORK, job(order))).toMatchObject({ a: 'exists', b: 'done' })
  rig.nowMs += 5000
  const over = { ...order, overwrite: true }
  expect(await rig.run(PROMOTE_WORK, job(over))).toMatchObject({ a: 'done', b: 'equal' })
  expect(await rig.run(PROMOTE_WORK, job(over))).toMatchObject({ a: 'equal', b: 'equal' })
})

test('what a user writes meanwhile is not overwritten, and a file that changed is left alone', async () => {
  const order = job({ source: open(), overwrite: true, deleteSource: true })
  const items = await rig.list(PROMOTE_WORK, order)
  rig.nowMs += 1
  await rig.put(bucket, 'a', 'mine')
  await writeFile(open('b'), 'changed!!')
  // A file system may have a coarse clock; ctime moves with this as well.
  await utimes(open('b'), 1, 1)
  await rm(open('sub.e'))
  const results = []
  for (const item of items) results.push(await rig.apply(PROMOTE_WORK, order, item))
  expect(results).toEqual([
    { kind: 'skipped', why: 'changed' },
    { kind: 'skipped', why: 'changed' },
    { kind: 'skipped', why: 'absent' },
  ])
  expect(await rig.contents(bucket)).toEqual({ a: 'mine' })
  expect((await readdir(open())).sort()).toEqual(['a', 'b', 'sub'])
})

test('files are deleted once they are stored, where that is wanted, and not without the lease', async () => {
  const order = job({ source: open(), deleteSource: true })
  const [item] = await rig.list(PROMOTE_WORK, order)
  if (item === undefined) throw new Error('the list is empty')
  const lease = new HeldLease()
  lease.lose(new Error('the lease is lost'))
  await expect(PROMOTE_WORK.apply(rig.context, { job: order, item, lease })).rejects.toThrow()
  expect(await readdir(open())).toContain('a')
  await rig.run(PROMOTE_WORK, order)
  expect(await readdir(open())).toEqual(['sub'])
  expect(Object.keys(await rig.contents(bucket))).toEqual(['a', 'b', 'sub.e'])
})

test('nothing outside the folders of the setting gets out, by no path and no link', async () => {
  const vet = (source: string) => () => PROMOTE_WORK.vet?.(rig.context, { source })
  for (const source of [`${folder}/secret`, folder, `${open()}x`, '/']) {
    expect(vet(source), source).toThrow(expect.objectContaining({ code: 'access-denied' }))
  }
  for (const source of [`${open()}/../secret`, 'open', `${open()}/./a`, `${open()}//a`]) {
    expect(vet(source), source).toThrow(expect.objectContaining({ code: 'argument-invalid' }))
  }
  await symlink(join(folder, 'secret'), open('link'))
  await symlink(folder, open('way'))
  for (const source of [open('link'), open('way/secret'), open('none')]) {
    await expect(rig.list(PROMOTE_WORK, job({ source }))).rejects.toMatchObject({
      code: 'argument-invalid',
    })
  }
  const items = await rig.list(PROMOTE_WORK, job({ source: open(), recursive: true }))
  expect(items.map(({ key }) => key)).toEqual(['a', 'b', 'sub.e', 'sub/c', 'sub/deep/d'])
})

test('a directory that becomes a link after it was listed leads nowhere', async () => {
  await mkdir(join(folder, 'elsewhere'))
  await writeFile(join(folder, 'elsewhere/c'), 'secret')
  const order = job({ source: open(), recursive: true })
  const item = (await rig.list(PROMOTE_WORK, order)).find(({ key }) => key === 'sub/c')
  if (item === undefined) throw new Error('it is not listed')
  await rm(open('sub'), { recursive: true })
  await symlink(join(folder, 'elsewhere'), open('sub'))
  expect(await rig.apply(PROMOTE_WORK, order, item)).toEqual({ kind: 'skipped', why: 'absent' })
  expect(await rig.contents(bucket)).toEqual({})
})
