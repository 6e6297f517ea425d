import type { BucketRecord } from '@forebay/model/bucket'
import { expect, test } from 'vitest'
import { decodeAction, parseQueryFlag } from './action.ts'
import {
  checkBucketName,
  formatUname,
  parseNamespace,
  parseProvider,
  parseUname,
} from './bucket.ts'
import { decodeBucketChange } from './bucket-change.ts'
import { encodeBucketProperties } from './bucket-properties.ts'
import { decodeChecksum, encodeChecksum } from './checksum.ts'
import { decodeCustomMetadata } from './custom-metadata.ts'
import { Fields } from './fields.ts'
import { formatGoDuration, parseGoDuration } from './go-duration.ts'
import { formatIecSize, parseIecSize } from './iec-size.ts'
import { isJsonObject, parseJson } from './json.ts'
import { encodeMsgpack } from './msgpack.ts'

const GLOBAL = { uuid: '', name: '' }

function fields(text: string): Fields {
  const value = parseJson(text)
  if (!isJsonObject(value)) throw new Error('the test wants an object')
  return new Fields(value)
}

test.each([
  [0, '0s'],
  [100, '100ms'],
  [30_000, '30s'],
  [60_000, '1m'],
  [600_000, '10m'],
  [7_200_000, '2h0m'],
  [5_400_000, '1h30m'],
  [90_500, '1m30.5s'],
])('%d ms are written %s, as AIStore does, and read back', (ms, text) => {
  expect(formatGoDuration(ms)).toBe(text)
  expect(parseGoDuration(text)).toBe(ms)
})

test.each(['-1h', '1', '', 'h', '1d', '1e3s', '99999999999h', '1h-2m'])(
  'the duration %j is refused',
  (text) => {
    expect(() => parseGoDuration(text)).toThrow('not a duration')
  },
)

test.each([
  ['0B', 0],
  ['64MiB', 64 * 1024 ** 2],
  ['1GiB', 1024 ** 3],
  ['1025B', 1025],
])('%s is %d bytes, both ways', (text, bytes) => {
  expect(parseIecSize(text)).toBe(bytes)
  expect(formatIecSize(bytes)).toBe(text)
})

test('sizes are read in any case, KB and MB as powers of 1,024', () => {
  expect(parseIecSize('64mb')).toBe(64 * 1024 ** 2)
  expect(parseIecSize('1g')).toBe(1024 ** 3)
  expect(parseIecSize('65536')).toBe(65_536)
  for (const text of ['-1', '1.5.5', '1x', '', '99999999999999PB']) {
    expect(() => parseIecSize(text)).toThrow('not a size')
  }
})

test('provider aliases mean their providers; anything else is refused', () => {
  expect(['ais', 's3', 'aws', 'gs', 'az'].map(parseProvider)).toEqual([
    'ais',
    'aws',
    'aws',
    'gcp',
    'azure',
  ])
  for (const word of ['evil', '', 'AIS', '__proto__']) {
    expect(() => parseProvider(word)).toThrow('provider')
  }
})

test('unique names are read and written in AIStore’s form', () => {
  expect(formatUname({ provider: 'ais', namespace: GLOBAL, name: 'b' })).toBe('ais/@#/b/')
  expect(parseUname('ais/@#/bck/dir/obj')).toEqual({
    ref: { provider: 'ais', namespace: GLOBAL, name: 'bck' },
    key: 'dir/obj',
  })
  expect(parseUname('aws/@uuid#ns/b/').ref.namespace).toEqual({ uuid: 'uuid', name: 'ns' })
  expect(() => parseUname('ais/b')).toThrow('does not read')
  expect(() => parseNamespace('@../../#x')).toThrow('namespace')
})

test('bucket names have 1 to 64 plain characters', () => {
  expect(checkBucketName('n'.repeat(64))).toHaveLength(64)
  for (const name of ['', 'n'.repeat(65), '.sys', 'a..b', 'a/b', 'a b', 'ä', '..']) {
    expect(() => checkBucketName(name)).toThrow('bucket name')
  }
})

test('an action message takes names in any case, null fields and strings for numbers', () => {
  expect(decodeAction('{"Action":"list","NAME":null,"value":{"Flags":"64"}}')).toMatchObject({
    action: 'list',
    name: '',
  })
  expect(fields('{"Flags":"64"}').integer('flags', { min: 0, max: 100 })).toBe(64)
  expect(() => decodeAction('{"name":"x"}')).toThrow('action must be a string')
  expect(() => decodeAction('{"action":"a","Action":"b"}')).toThrow('occurs twice')
})

test.each([
  ['1', true],
  ['True', true],
  ['YES', true],
  ['on', true],
  ['False', false],
  ['0', false],
  ['', false],
  [undefined, false],
])('the query value %s counts as %s', (text, flag) => {
  expect(parseQueryFlag(text)).toBe(flag)
})

test('checksums are checked for form; both xxhash words mean XXH64', () => {
  const hex = '45ab6734b21e6968'
  expect(decodeChecksum('xxhash', hex)).toEqual({ algorithm: 'xxh64', kind: 'whole', hex })
  expect(decodeChecksum('none', undefined)).toBeUndefined()
  expect(decodeChecksum(undefined, undefined)).toBeUndefined()
  expect(encodeChecksum([{ algorithm: 'xxh64', kind: 'whole', hex }])).toEqual({
    type: 'xxhash2',
    value: hex,
  })
  for (const [type, value] of [
    ['xxhash', hex.slice(1)],
    ['md5', hex],
    ['rot13', hex],
    [undefined, hex],
    ['crc32c', 'zzzzzzzz'],
  ] as const) {
    expect(() => decodeChecksum(type, value)).toThrow(/hecksum/)
  }
})

test('custom metadata is split at its first "=" and bounded', () => {
  expect(decodeCustomMetadata(['K=a=b', 'x='])).toEqual({ k: 'a=b', x: '' })
  expect(decodeCustomMetadata(['__proto__=x'])).toEqual({ ['__proto__']: 'x' })
  expect(() => decodeCustomMetadata(['novalue'])).toThrow('key=value')
  expect(() => decodeCustomMetadata([`k=${'v'.repeat(2048)}`])).toThrow('longer than 2048')
})

test('the properties of a new native bucket are AIStore’s tree with ours below forebay', () => {
  const record: BucketRecord = {
    id: 7,
    ref: { provider: 'ais', namespace: GLOBAL, name: 'b' },
    aliases: [],
    createdMs: 1_795_229_891_116,
    properties: {},
  }
  expect(encodeBucketProperties(record)).toEqual({
    backend_bck: { name: '', provider: '', namespace: GLOBAL },
    write_policy: { data: 'immediate', md: 'immediate' },
    provider: 'ais',
    Renamed: '',
    checksum: {
      type: 'xxhash2',
      validate_cold_get: false,
      validate_warm_get: false,
      validate_obj_move: false,
      enable_read_range: false,
    },
    extra: { aws: {}, gcp: {}, oci: {} },
    rate_limit: {
      backend: { interval: '1m', max_tokens: 1000, enabled: false, num_retries: 3 },
      frontend: { interval: '1m', max_tokens: 1000, enabled: false, burst_size: 375 },
    },
    ec: {
      compression: 'never',
      bundle_multiplier: 2,
      burst_buffer: 512,
      objsize_limit: 262144,
      data_slices: 2,
      parity_slices: 2,
      enabled: false,
      disk_only: false,
    },
    chunks: { objsize_limit: '0B', max_monolithic_size: '1TiB', chunk_size: '1GiB' },
    mirror: { copies: 2, burst_buffer: 512, enabled: false },
    lru: {
      dont_evict_time: '0s',
      capacity_upd_time: '10m',
      batch_size: 32768,
      enabled: false,
    },
    access: '18446744073709551615',
    features: '0',
    bid: '9223372036854775815',
    created: '1795229891116000000',
    versioning: { enabled: false, validate_warm_get: false, synchronize: false },
    forebay: {
      revalidate: 'after 5m',
      staleIfError: '0s',
      cache: 'read-write',
      syncWrites: true,
      verifyWarm: false,
      blockSize: '4MiB',
      sparseThreshold: '8MiB',
      parallelThreshold: '32MiB',
      fillWhole: 'never',
      listFrom: 'store',
      policy: 'lru',
      evictable: false,
      quota: 'none',
      quotaMarks: '90%..95%',
      pins: 'none',
      ttl: 'none',
      admit: 'always',
      admitMin: '0',
      admitMax: '50000GiB',
      aliases: [],
    },
  })
})

test('what a client reads it may send back as a change', () => {
  const record: BucketRecord = {
    id: 1,
    ref: { provider: 'aws', namespace: GLOBAL, name: 'b' },
    aliases: ['nick'],
    createdMs: 0,
    backend: { provider: 'aws', bucket: 'b', endpoint: 'http://10.0.0.5:9000' },
    properties: { revalidate: { kind: 'never' } },
  }
  const change = decodeBucketChange(fields(JSON.stringify(encodeBucketProperties(record))))
  expect(change).toMatchObject({
    aliases: ['nick'],
    backend: { provider: 'aws', bucket: 'b', endpoint: 'http://10.0.0.5:9000' },
    properties: { revalidate: { kind: 'never' }, cache: 'read-write', evictable: true },
  })
})

test.each([
  ['gs', 'bucket', { provider: 'gcp', bucket: 'bucket' }],
  ['azure', 'container', { provider: 'azure', bucket: 'container' }],
  ['http', 'https://host/data', { provider: 'http', bucket: 'https://host/data/' }],
])('a backend of provider %s is read', (provider, bucket, backend) => {
  const text = JSON.stringify({ forebay: { backend: { provider, bucket } } })
  expect(decodeBucketChange(fields(text)).backend).toEqual(backend)
})

test.each(['ftp://host/', 'https://user:secret@host/', 'https://host/?list', 'a b'])(
  'the directory %s of an http backend is refused, and not repeated',
  (bucket) => {
    const text = JSON.stringify({ forebay: { backend: { provider: 'http', bucket } } })
    expect(() => decodeBucketChange(fields(text))).toThrow('the URL of a directory')
  },
)

test('features that are not built are refused when a change switches them on', () => {
  for (const text of [
    '{"mirror":{"enabled":true}}',
    '{"ec":{"enabled":true}}',
    '{"rate_limit":{"frontend":{"enabled":true}}}',
    '{"checksum":{"type":"md5"}}',
    '{"write_policy":{"data":"delayed"}}',
  ]) {
    expect(() => decodeBucketChange(fields(text))).toThrow('not built yet')
  }
})

test.each(['file:///etc/passwd', 'http://user:secret@host', 'http://host/?x=1', 'nonsense'])(
  'the endpoint %s of a backend is refused',
  (endpoint) => {
    const text = JSON.stringify({ extra: { aws: { endpoint } } })
    expect(() => decodeBucketChange(fields(text))).toThrow('endpoint must be')
  },
)

test('MessagePack has the bytes of its specification', () => {
  const hex = (value: Parameters<typeof encodeMsgpack>[0]): string =>
    encodeMsgpack(value).toString('hex')
  expect(hex(null)).toBe('c0')
  expect([0, 127, 128, 65_535, 65_536, 2 ** 32].map(hex)).toEqual([
    '00',
    '7f',
    'cd0080',
    'cdffff',
    'ce00010000',
    'cf0000000100000000',
  ])
  expect(hex('é')).toBe('a2c3a9')
  expect(hex('x'.repeat(32)).slice(0, 4)).toBe('d920')
  expect(hex('x'.repeat(256)).slice(0, 10)).toBe('db00000100')
  expect(hex([])).toBe('90')
  expect(hex(Array.from({ length: 16 }, () => 1)).slice(0, 6)).toBe('dc0010')
  expect(hex(new Map([['n', 'a']]))).toBe('81a16ea161')
})

test('a page larger than the first buffer is encoded whole', () => {
  const names = Array.from({ length: 5000 }, (_, at) => `name-${at}-${'é'.repeat(20)}`)
  const bytes = encodeMsgpack(names)
  expect(bytes.length).toBe(3 + names.reduce((sum, name) => sum + 2 + Buffer.byteLength(name), 0))
})
