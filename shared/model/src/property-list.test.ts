import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  ADMIT_KINDS,
  type BucketProperties,
  POLICY_KINDS,
  QUOTA_NONE,
  resolveProperties,
} from './bucket-properties.ts'
import {
  BLOCK_BYTES_MAX,
  BLOCK_BYTES_MIN,
  checkProperties,
  formatProperties,
  PROPERTY_LIST,
  parseProperties,
} from './property-list.ts'
import { checkForBackend, PREFIXES_BYTES_MAX, PREFIXES_MAX } from './space-properties.ts'

const refused = (why: RegExp): object =>
  expect.objectContaining({ code: 'property-invalid', message: expect.stringMatching(why) })

test('properties are read as users write them', () => {
  expect(
    parseProperties({
      revalidate: 'after 30s',
      staleIfError: '1h',
      cache: 'bypass',
      syncWrites: true,
      verifyWarm: 'true',
      blockSize: '1MiB',
      sparseThreshold: 65_536,
      parallelThreshold: '64MiB',
      fillWhole: '50%',
      policy: 's3-fifo',
      evictable: 'false',
      quota: '10GiB',
      quotaMarks: '80%..100%',
      pins: [{ prefix: 'a/' }, { prefix: 'b/', until: '2026-12-01' }],
      ttl: '7d',
      admit: 'second-hit',
      admitMin: '4KiB',
      admitMax: '1GiB',
    }),
  ).toEqual({
    revalidate: { kind: 'after', ttlMs: 30_000 },
    staleIfErrorMs: 3_600_000,
    cache: 'bypass',
    syncWrites: true,
    verifyWarm: true,
    blockBytes: 1024 ** 2,
    sparseThresholdBytes: 65_536,
    parallelThresholdBytes: 64 * 1024 ** 2,
    fillWholePercent: 50,
    policy: 's3-fifo',
    evictable: false,
    quotaBytes: 10 * 1024 ** 3,
    quotaMarks: { lowPercent: 80, highPercent: 100 },
    pins: [{ prefix: 'a/' }, { prefix: 'b/', untilMs: Date.UTC(2026, 11, 1) }],
    ttls: [{ prefix: '', ttlMs: 7 * 86_400_000 }],
    admit: 'second-hit',
    admitMinBytes: 4096,
    admitMaxBytes: 1024 ** 3,
  })
})

test('lists are read from the text of a command line too, and "none" empties them', () => {
  expect(
    parseProperties({
      ttl: '[{"prefix":"tmp/","ttl":"1h"},{"prefix":"","ttl":"1d"}]',
      pins: 'none',
      quota: 'none',
    }),
  ).toEqual({
    ttls: [
      { prefix: 'tmp/', ttlMs: 3_600_000 },
      { prefix: '', ttlMs: 86_400_000 },
    ],
    pins: [],
    quotaBytes: Number.POSITIVE_INFINITY,
  })
})

test('a time without a zone is one of UTC', () => {
  const untilOf = (until: string) => parseProperties({ pins: [{ prefix: '', until }] }).pins?.[0]
  const noon = Date.UTC(2026, 11, 1, 12)
  expect(untilOf('2026-12-01T12:00')?.untilMs).toBe(noon)
  expect(untilOf('2026-12-01T13:00:00.000+01:00')?.untilMs).toBe(noon)
})

test('a list has as many prefixes as the limit says, and no more', () => {
  const pins = (count: number) =>
    Array.from({ length: count }, (_, at) => ({ prefix: String(at).padStart(64, 'p') }))
  expect(parseProperties({ pins: pins(PREFIXES_MAX) }).pins).toHaveLength(PREFIXES_MAX)
  expect(() => parseProperties({ pins: pins(PREFIXES_MAX + 1) })).toThrow(refused(/up to 32/))
  const long = (bytes: number) => [{ prefix: 'é'.repeat(bytes / 2) }]
  expect(parseProperties({ pins: long(PREFIXES_BYTES_MAX) }).pins).toHaveLength(1)
  expect(() => parseProperties({ pins: long(PREFIXES_BYTES_MAX + 2) })).toThrow(refused(/longer/))
})

test('only a bucket with a backend can have a ttl', () => {
  const ttls = [{ prefix: '', ttlMs: 1000 }]
  expect(() => checkForBackend(undefined, { ttls })).toThrow(refused(/without a backend/))
  checkForBackend(undefined, { ttls: [] })
  checkForBackend({ provider: 'aws', bucket: 'b' }, { ttls })
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
  [{ quota: 0 }, /1 at least/],
  [{ quota: '-1' }, /negative|not a size/],
  [{ quota: true }, /1 at least/],
  [{ quotaMarks: '95%..95%' }, /two shares/],
  [{ quotaMarks: '90%..101%' }, /two shares/],
  [{ quotaMarks: '90..95' }, /two shares/],
  [{ pins: 'a/' }, /up to 32/],
  [{ pins: [{ prefix: 5 }] }, /up to 32/],
  [{ pins: [{ prefix: 'a\0' }] }, /up to 32/],
  [{ pins: [{ prefix: 'a', until: 'soon' }] }, /up to 32/],
  [{ pins: [{ prefix: 'a', until: '2026-13-01' }] }, /up to 32/],
  [{ pins: [{ prefix: 'a', upto: '2026-12-01' }] }, /up to 32/],
  [{ pins: [{ prefix: 'a' }, { prefix: 'a' }] }, /twice/],
  [{ pins: ['a/'] }, /up to 32/],
  [{ ttl: '999ms' }, /from 1s on/],
  [{ ttl: 'soon' }, /not a duration/],
  [{ ttl: 5 }, /from 1s on/],
  [{ ttl: '[{"prefix":"a"}]' }, /from 1s on/],
  [{ ttl: '[{' }, /from 1s on/],
  [{ admit: 'never' }, /one of always, second-hit/],
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

const anyPrefix = fc.string({ unit: fc.constantFrom('a', '/', 'é', '"'), maxLength: 6 })

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
    quotaBytes: fc.oneof(
      fc.constant(QUOTA_NONE),
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    ),
    quotaMarks: fc
      .uniqueArray(fc.nat({ max: 100 }), { minLength: 2, maxLength: 2 })
      .map(([one = 0, other = 0]) => ({
        lowPercent: Math.min(one, other),
        highPercent: Math.max(one, other),
      })),
    pins: fc.uniqueArray(
      fc.record({ prefix: anyPrefix, untilMs: fc.nat() }, { requiredKeys: ['prefix'] }),
      { selector: ({ prefix }) => prefix, maxLength: 4 },
    ),
    ttls: fc.uniqueArray(fc.record({ prefix: anyPrefix, ttlMs: fc.integer({ min: 1000 }) }), {
      selector: ({ prefix }) => prefix,
      maxLength: 4,
    }),
    admit: fc.constantFrom(...ADMIT_KINDS),
    admitMinBytes: fc.nat(),
    admitMaxBytes: fc.nat(),
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
  { quotaBytes: Number.NaN },
  { quotaBytes: 0 },
  { quotaMarks: { lowPercent: 5, highPercent: 5 } },
  { pins: [{ prefix: '', untilMs: Number.NaN }] },
  { ttls: [{ prefix: '', ttlMs: 0 }] },
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
  const { quotaBytes, quotaMarks, pins, ttls, admit, admitMinBytes, admitMaxBytes } = PROPERTY_LIST
  expect(formatProperties(native)).toMatchObject({
    revalidate: revalidate.default,
    staleIfError: staleIfErrorMs.default,
    cache: cache.default,
    blockSize: blockBytes.default,
    sparseThreshold: sparseThresholdBytes.default,
    parallelThreshold: parallelThresholdBytes.default,
    fillWhole: fillWholePercent.default,
    quota: quotaBytes.default,
    quotaMarks: quotaMarks.default,
    pins: pins.default,
    ttl: ttls.default,
    admit: admit.default,
    admitMin: admitMinBytes.default,
    admitMax: admitMaxBytes.default,
  })
})
