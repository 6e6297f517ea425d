import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { JobRecord } from '../job.ts'
import { newRecord } from '../record-change.ts'
import { Ledger } from './ledger.ts'

let folder = ''
const path = (): string => join(folder, 'ledger.json')

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forebay-ledger-'))
})

afterEach(() => rm(folder, { recursive: true }))

const job = (id: string, args = {}): JobRecord =>
  newRecord({ kind: 'evict', args }, { id, nowMs: 5 })

test('jobs that go on, their epoch and the schedules are there after a new start', async () => {
  const ledger = await Ledger.open(path())
  const schedule = { id: 's', cron: '0 0 * * *', timeZone: 'UTC', nextMs: 9 }
  const order = { kind: 'evict', args: {} }
  ledger.begin('first')
  ledger.note(job('a'))
  ledger.note({ ...job('b'), state: 'running' })
  ledger.note({ ...job('b'), state: 'finished' })
  ledger.noteSchedules([{ ...schedule, order }])
  await ledger.flush()
  const again = await Ledger.open(path())
  expect(again.epoch).toBe('first')
  expect(again.jobs).toEqual([job('a')])
  expect(again.schedules).toEqual([{ ...schedule, order }])
})

test('another epoch forgets the jobs of the one before', async () => {
  const ledger = await Ledger.open(path())
  ledger.begin('first')
  ledger.note(job('a'))
  ledger.begin('first')
  expect(ledger.jobs).toHaveLength(1)
  ledger.begin('second')
  expect(ledger.jobs).toEqual([])
})

test('arguments of 4,096 characters are kept, longer ones are not', async () => {
  const ledger = await Ledger.open(path())
  const args = (length: number) => ({ prefix: 'x'.repeat(length - '{"prefix":""}'.length) })
  ledger.note(job('good', args(4096)))
  ledger.note(job('long', args(4097)))
  expect(ledger.jobs.map(({ args: kept }) => Object.keys(kept).length)).toEqual([1, 0])
})

test('a file that is damaged counts as empty, and rows that are none are left out', async () => {
  await writeFile(path(), '{"epoch":"e","jo')
  expect((await Ledger.open(path())).epoch).toBe('')
  await writeFile(path(), JSON.stringify({ epoch: 'e', jobs: [{ id: 1 }, job('a')], schedules: 3 }))
  const ledger = await Ledger.open(path())
  expect(ledger.jobs.map(({ id }) => id)).toEqual(['a'])
  expect(ledger.schedules).toEqual([])
})

test('a flush that cannot write says so each time, until it can', async () => {
  const ledger = await Ledger.open(join(folder, 'missing', 'ledger.json'))
  ledger.note(job('a'))
  await expect(ledger.flush()).rejects.toThrow('ENOENT')
  await expect(ledger.flush()).rejects.toThrow('ENOENT')
})
