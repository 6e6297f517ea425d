import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import type { ScanOptions } from './contract.ts'
import {
  CACHED,
  LAZY,
  NATIVE,
  openTestStore,
  put,
  temporaryDirectory,
} from './testing/store-fixture.ts'

const { store } = await openTestStore([temporaryDirectory()])
afterAll(() => store.close())

/** Apart from the fixture's buckets, whose ids are small, and from each other. */
const FIRST_BUCKET_ID = 1_000_000
let bucketCount = 0

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** What a listing is by definition: sort, roll up, cut. */
function modelPage(
  keys: readonly string[],
  { prefix, delimiter, after, pageMax }: Omit<ScanOptions, 'bucketId'>,
): { readonly names: readonly string[]; readonly next: string | undefined } {
  const rolled = (key: string): string => {
    if (delimiter === undefined || !key.startsWith(prefix)) return key
    const at = key.indexOf(delimiter, prefix.length)
    return at < 0 ? key : key.slice(0, at + delimiter.length)
  }
  const names = [...new Set(keys.filter((key) => key.startsWith(prefix)).map(rolled))]
    .sort(byBytes)
    .filter((name) => byBytes(name, after) > 0)
  const page = pageMax === 0 ? [] : names.slice(0, pageMax)
  return { names: page, next: names.length > page.length ? page.at(-1) : undefined }
}

const key = fc
  .array(fc.constantFrom('a', 'b', '/', '//', 'é', '\u{10ffff}', '\uffee', '\u0001', '.'), {
    minLength: 1,
    maxLength: 5,
  })
  .map((parts) => parts.join(''))
const text = fc.oneof(fc.constant(''), key)

test('every page is the slice of the sorted names that it should be', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(key, { maxLength: 30 }),
      fc.record({
        prefix: text,
        delimiter: fc.option(fc.constantFrom('/', 'a', 'é', '//'), { nil: undefined }),
        after: text,
        pageMax: fc.integer({ min: 0, max: 8 }),
      }),
      fc.constantFrom('file', 'pending', 'both'),
      async (keys, options, place) => {
        bucketCount += 1
        const bucket = { ...CACHED, id: FIRST_BUCKET_ID + bucketCount }
        for (const name of keys) await put(store, { bucket, key: name, text: '' }, LAZY)
        // The page is read from the file, the writes on their way to it, or names in both.
        if (place !== 'pending') await store.context.index.settled()
        if (place === 'both') {
          for (const name of keys.filter((_, at) => at % 2 === 0)) {
            await put(store, { bucket, key: name, text: '' }, LAZY)
          }
        }
        const page = store.scan({ ...options, bucketId: bucket.id })
        const names = [...page.objects.map((o) => o.key), ...page.commonPrefixes].sort(byBytes)
        const model = modelPage(keys, options)
        expect(names).toEqual(model.names)
        expect(page.next).toBe(options.pageMax === 0 ? undefined : model.next)
        expect(page.objects.map((o) => o.key)).toEqual(page.objects.map((o) => o.key).sort(byBytes))
      },
    ),
    { numRuns: 150 },
  )
})

test('pages follow each other without a gap or a repetition', async () => {
  const keys = Array.from({ length: 257 }, (_, at) => `d${at % 7}/k${at}`)
  for (const name of keys) await put(store, { bucket: NATIVE, key: name, text: 'x' }, LAZY)
  const seen: string[] = []
  let after: string | undefined = ''
  while (after !== undefined) {
    const page = store.scan({ bucketId: 7, prefix: '', delimiter: undefined, after, pageMax: 10 })
    seen.push(...page.objects.map((o) => o.key))
    after = page.next
  }
  expect(seen).toEqual([...keys].sort(byBytes))
})

test('a common prefix costs at most two seeks, however many keys it stands for', async () => {
  await store.context.index.settled()
  const page = store.scan({
    bucketId: 7,
    prefix: '',
    delimiter: '/',
    after: '',
    pageMax: 1000,
  })
  expect(page.commonPrefixes).toEqual(['d0/', 'd1/', 'd2/', 'd3/', 'd4/', 'd5/', 'd6/'])
  expect(page.seeks).toBeLessThanOrEqual(2 * page.commonPrefixes.length)
})

test('a listed name carries what the record says', async () => {
  const work = await store.createWork(NATIVE, 'facts', 0)
  await store.commit(
    { bucket: NATIVE, key: 'facts', work },
    {
      attributes: {
        sizeBytes: 0,
        etag: 'ünïcode-etag',
        lastModifiedMs: 1_234_567_890_123,
        headers: {},
        metadata: {},
        checksums: [{ algorithm: 'crc64nvme', kind: 'whole', hex: '0011223344556677' }],
        storageClass: 'GLACIER',
      },
      contentXxh64: undefined,
      pin: { kind: 'none' },
      validatedMs: 0,
    },
    LAZY,
  )
  work.discard()
  const page = store.scan({
    bucketId: 7,
    prefix: 'facts',
    delimiter: undefined,
    after: '',
    pageMax: 1,
  })
  expect(page.objects).toEqual([
    {
      key: 'facts',
      sizeBytes: 0,
      etag: 'ünïcode-etag',
      lastModifiedMs: 1_234_567_890_123,
      storageClass: 'GLACIER',
      checksumAlgorithm: 'crc64nvme',
      checksumKind: 'whole',
    },
  ])
  expect(page.next).toBeUndefined()
})
