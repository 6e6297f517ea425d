import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type BucketProperties, POLICY_KINDS, resolveProperties } from './bucket-properties.ts'
import {
  BLOCK_BYTES_MAX,
  BLOCK_BYTES_MIN,
  checkProperties,
  formatProperties,
  PROPERTY_LIST,
  parseProperties,
} from './property-list.ts'

const refused = (why: RegExp): object =>
  expect.objectContaining({ code: 'property-invalid', message: expect.stringMatching(why) })

test('properties are read as users write them', () => {
  expect(
    parseProperties({
      revalidate: 'after 30s',
      staleIfError: '1h',
      cache: 'bypass',
      syncWrites: true,
      blockSize: '1MiB',
      sparseThreshold: 65_536,
      parallelThreshold: '64MiB',
      fillWhole: '50%',
      policy: 's3-fifo',
      evictable: 'false',
    }),
  ).toEqual({
    revalidate: { kind: 'after', ttlMs: 30_000 },
    staleIfErrorMs: 3_600_000,
    cache: 'bypass',
    syncWrites: true,
    blockBytes: 1024 ** 2,
    sparseThresholdBytes: 65_536,
    parallelThresholdBytes: 64 * 1024 ** 2,
    fillWholePercent: 50,
    policy: 's3-fifo',
    evictable: false,
  })
})

test('null asks for the default', () => {
  const parsed = parseProperties({ cache: null })
  expect(Object.hasOwn(parsed, 'cache')).toBe(true)
  expect(parsed.cache).toBeUndefined()
})

test.each([
  [{ revalidate: 'after -1h' }, /negative/],
  [{ revalidate: 'after 5' }, /no unit/],
  [{ revalidate: 'after' }, /always, never/],
  [{ revalidate: 'sometimes' }, /always, never/],
  [{ revalidate: 5 }, /always, never/],
  [{ staleIfError: '-1h' }, /negative/],
  [{ staleIfError: -1 }, /cannot be -1/],
  [{ staleIfError: Number.NaN }, /cannot be/],
  [{ staleIfError: '36526d' }, /100 years/],
  [{ sparseThreshold: -1 }, /negative/],
  [{ sparseThreshold: Number.NaN }, /not a finite/],
  [{ sparseThreshold: JSON.parse('1e400') }, /not a finite/],
  [{ sparseThreshold: '1e400' }, /not a size/],
  [{ sparseThreshold: 0.5 }, /whole/],
  [{ sparseThreshold: true }, /cannot be true/],
  [{ sparseThreshold: '100TiB' }, /at most/],
  [{ fillWhole: '0%' }, /never, or a share/],
  [{ fillWhole: '100%' }, /never, or a share/],
  [{ fillWhole: 50 }, /never, or a share/],
  [{ blockSize: BLOCK_BYTES_MIN / 2 }, /power of two/],
  [{ blockSize: BLOCK_BYTES_MAX * 2 }, /power of two/],
  [{ blockSize: BLOCK_BYTES_MIN + 1 }, /power of two/],
  [{ blockSize: '3MiB' }, /power of two/],
  [{ cache: 'on' }, /one of read-write, read-only, bypass/],
  [{ cache: {} }, /one of/],
  [{ policy: 'mru' }, /one of lru, s3-fifo, sieve, epoch/],
  [{ syncWrites: 1 }, /true or false/],
  [{ evictable: 'yes' }, /true or false/],
  [{ blockBytes: 65_536 }, /"blockBytes" is not known; known are .*blockSize/],
  [JSON.parse('{"__proto__": {"admin": true}}'), /"__proto__" is not known/],
  [{ constructor: 1 }, /"constructor" is not known/],
  [[], /must be an object/],
  [null, /must be an object/],
  ['cache', /must be an object/],
])('%j is refused, saying why', (written, why) => {
  expect(() => parseProperties(written)).toThrow(refused(why))
  expect('admin' in {}).toBe(false)
})

test('the smallest and the largest block are taken', () => {
  expect(parseProperties({ blockSize: BLOCK_BYTES_MIN }).blockBytes).toBe(BLOCK_BYTES_MIN)
  expect(parseProperties({ blockSize: '64MiB' }).blockBytes).toBe(BLOCK_BYTES_MAX)
})

const anyProperties: fc.Arbitrary<Partial<BucketProperties>> = fc.record(
  {
    revalidate: fc.oneof(
      fc.constant<BucketProperties['revalidate']>({ kind: 'always' }),
      fc.constant<BucketProperties['revalidate']>({ kind: 'never' }),
      fc.nat().map((ttlMs) => ({ kind: 'after' as const, ttlMs })),
    ),
    staleIfErrorMs: fc.nat(),
    cache: fc.constantFrom<BucketProperties['cache'][]>('read-write', 'read-only', 'bypass'),
    syncWrites: fc.boolean(),
    blockBytes: fc.integer({ min: 16, max: 26 }).map((power) => 2 ** power),
    sparseThresholdBytes: fc.nat(),
    parallelThresholdBytes: fc.nat(),
    fillWholePercent: fc.integer({ min: 1, max: 100 }),
    policy: fc.constantFrom(...POLICY_KINDS),
    evictable: fc.boolean(),
  },
  { requiredKeys: [] },
)

test('what is formatted is read back as the same, through JSON too', () => {
  fc.assert(
    fc.property(anyProperties, (properties) => {
      const written: unknown = JSON.parse(JSON.stringify(formatProperties(properties)))
      expect(parseProperties(written)).toEqual(properties)
    }),
  )
})

test.each([
  { staleIfErrorMs: Number.NaN },
  { staleIfErrorMs: -1 },
  { blockBytes: 5 },
  { sparseThresholdBytes: Number.POSITIVE_INFINITY },
  { revalidate: { kind: 'after', ttlMs: Number.NaN } },
  { revalidate: { kind: 'after', ttlMs: -1 } },
] satisfies Partial<BucketProperties>[])('the typed value %j is refused too', (properties) => {
  expect(() => checkProperties(properties)).toThrow(refused(/./))
})

test('every field is in the list once, and every default stated there is the real one', () => {
  const native = resolveProperties(undefined, {})
  expect(Object.keys(PROPERTY_LIST).sort()).toEqual(Object.keys(native).sort())
  for (const [field, property] of Object.entries(PROPERTY_LIST)) expect(property.field).toBe(field)
  const { revalidate, staleIfErrorMs, cache, blockBytes, sparseThresholdBytes } = PROPERTY_LIST
  const { parallelThresholdBytes, fillWholePercent } = PROPERTY_LIST
  expect(formatProperties(native)).toMatchObject({
    revalidate: revalidate.default,
    staleIfError: staleIfErrorMs.default,
    cache: cache.default,
    blockSize: blockBytes.default,
    sparseThreshold: sparseThresholdBytes.default,
    parallelThreshold: parallelThresholdBytes.default,
    fillWhole: fillWholePercent.default,
  })
})
