import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { openJobRows } from './rows.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'forebay-jobs-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
})

test('a table that was cut off is refused, and left as it is', async () => {
  const rows = await openJobRows(folder)
  await rows.transact(() => rows.counts.put('serial', 7))
  await rows.close()
  truncateSync(join(folder, 'data.mdb'), 8192)
  await expect(openJobRows(folder)).rejects.toMatchObject({ code: 'disk-error' })
})

test('a file that is none of lmdb is refused', async () => {
  writeFileSync(join(folder, 'data.mdb'), 'x'.repeat(100_000))
  await expect(openJobRows(folder)).rejects.toMatchObject({ code: 'disk-error' })
})

test('a table of a newer version is refused', async () => {
  const rows = await openJobRows(folder)
  await rows.transact(() => rows.counts.put('format', 2))
  await rows.close()
  await expect(openJobRows(folder)).rejects.toMatchObject({ code: 'format-newer' })
})

test('a closed table refuses to be read and written', async () => {
  const rows = await openJobRows(folder)
  const writing = rows.transact(() => rows.counts.put('serial', 7))
  const closing = rows.close()
  await expect(rows.transact(() => undefined)).rejects.toMatchObject({
    code: 'job-engine-unavailable',
  })
  await Promise.all([writing, closing])
  expect(() => rows.counts.get('serial')).toThrow(
    expect.objectContaining({ code: 'job-engine-unavailable' }),
  )
  const again = await openJobRows(folder)
  expect(again.counts.get('serial')).toBe(7)
  await again.close()
})
