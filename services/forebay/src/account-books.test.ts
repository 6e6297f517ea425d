import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@forebay/base/clock'
import { loadSettings } from '@forebay/config/load'
import type { BucketRecord } from '@forebay/model/bucket'
import { createLogger } from '@forebay/observe/logger'
import { connectSpending } from '@forebay/observe/spending-metrics'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { AccountBooks } from './account-books.ts'

let dataDir: string
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'forebay-books-'))
})
afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

const lines: string[] = []
const bucket: BucketRecord = {
  id: 1,
  ref: { provider: 'aws', namespace: { uuid: '', name: '' }, name: 'b' },
  aliases: [],
  createdMs: 0,
  backend: { provider: 'aws', bucket: 'b' },
  properties: {},
}

async function open(environment: Readonly<Record<string, string>> = {}): Promise<AccountBooks> {
  const { settings } = await loadSettings({
    flags: {},
    environment: {
      variables: { FOREBAY_DATA_DIR: dataDir, ...environment },
      home: '/home/user',
    },
    readFile: async () => undefined,
  })
  return AccountBooks.open({
    settings,
    clock: systemClock,
    logger: createLogger({
      level: 'warn',
      destination: { write: (line) => void lines.push(line) },
    }),
    buckets: () => [bucket],
  })
}

test('buckets of a vendor cost what its list says, those of other endpoints nothing', async () => {
  const books = await open()
  expect(books.accountOf({ provider: 'gcp', bucket: 'b' })?.prices.egressPerGiB).toBe(0.12)
  expect(
    books.accountOf({ provider: 'aws', bucket: 'b', endpoint: 'http://minio' }),
  ).toBeUndefined()
  expect(books.accountOf({ provider: 'http', bucket: 'http://h/' })).toBeUndefined()
  await books.close()
})

test('prices that are stated hold for every endpoint', async () => {
  const books = await open({
    FOREBAY_BACKENDS__AWS__ENDPOINT: 'http://minio',
    FOREBAY_BACKENDS__AWS__PRICE__GET_PER_MILLION: '2',
  })
  const account = books.accountOf({ provider: 'aws', bucket: 'b', endpoint: 'http://other' })
  expect(account?.prices).toMatchObject({ getPerMillion: 2, egressPerGiB: 0 })
  await books.close()
})

test('what was spent today is known after a restart, and told', async () => {
  const budget = { FOREBAY_BACKENDS__AWS__BUDGET__HARD_PER_DAY: '0.05' }
  const before = await open(budget)
  before.accountOf({ provider: 'aws', bucket: 'b' })?.received(1024 ** 3)
  await before.close()
  const books = await open(budget)
  const account = books.accountOf({ provider: 'aws', bucket: 'b' })
  expect(account?.today.dollars).toBeCloseTo(0.09, 9)
  expect(() => account?.pay('read')).toThrow(expect.objectContaining({ code: 'budget-spent' }))
  expect(books.troubles()).toHaveLength(1)
  await books.close()
})

test.each(['', '{', '{"format":2}', '{"format":1,"accounts":{}}', 'null'])(
  'a file that says "%s" counts as nothing, with a warning',
  async (text) => {
    lines.length = 0
    writeFileSync(join(dataDir, 'spending.json'), text)
    const books = await open()
    expect(books.accounts.map(({ today }) => today.dollars)).toEqual([0, 0, 0])
    expect(lines).toHaveLength(1)
    await books.close()
    expect(JSON.parse(readFileSync(join(dataDir, 'spending.json'), 'utf8'))).toMatchObject({
      format: 1,
    })
  },
)

test('what the cache answers is saved money, and the metrics show it', async () => {
  const books = await open()
  const registry = new Registry()
  connectSpending(registry, () => books.accounts)
  books.accountOf({ provider: 'aws', bucket: 'b' })?.pay('read')
  for (let at = 0; at < 3; at++) books.answered('aws://b', 1, 1024 ** 3)
  books.answered('ais://native', 1, 1024 ** 3)
  const text = await registry.metrics()
  expect(text).toMatch(/forebay_spent_dollars\{backend="aws",for="get"\} 4(\.0+\d*)?e-7/)
  expect(text).toMatch(/forebay_saved_dollars\{backend="aws"\} 0\.2700008/)
  expect(text).not.toContain('forebay_budget_dollars{')
  await books.close()
})
