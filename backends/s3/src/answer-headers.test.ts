import type { AnswerHeaders } from '@forebay/backend-transport/exchange'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readFields } from './answer-fields.ts'
import { attributesOf, checksumsOf, isArchived, parseChecksum } from './answer-headers.ts'

const MD5 = '620f0b67a91f7f74151bc5be745b7110'

/** As versitygw 1.8.0 answers a GET: some names come twice. */
const HEAD: AnswerHeaders = {
  server: 'VERSITYGW',
  date: 'Sun, 22 Nov 2026 03:29:48 GMT',
  'content-type': 'application/octet-stream',
  'content-length': '4096',
  'x-amz-request-id': ['X491UIC77TFIGXXI', 'X491UIC77TFIGXXI'],
  'x-amz-checksum-type': 'FULL_OBJECT',
  'x-amz-checksum-crc32': 'xxwAEQ==',
  'last-modified': 'Sun, 22 Nov 2026 03:29:00 GMT',
  etag: `"${MD5}"`,
  'accept-ranges': 'bytes',
  'x-amz-storage-class': 'STANDARD',
}

describe('the head of an answer', () => {
  test('says everything about the object', () => {
    expect(attributesOf(HEAD, 4096)).toEqual({
      sizeBytes: 4096,
      etag: MD5,
      lastModifiedMs: Date.UTC(2026, 10, 22, 3, 29, 0),
      headers: { contentType: 'application/octet-stream' },
      metadata: {},
      checksums: [
        { algorithm: 'crc32', kind: 'whole', hex: 'c71c0011' },
        { algorithm: 'md5', kind: 'whole', hex: MD5 },
      ],
      storageClass: 'STANDARD',
      validators: {
        etag: MD5,
        etagWeak: false,
        lastModifiedMs: Date.UTC(2026, 10, 22, 3, 29, 0),
        dateMs: Date.UTC(2026, 10, 22, 3, 29, 48),
      },
    })
  })

  test('that says nothing leaves the fields that every object has', () => {
    const attributes = attributesOf({}, 0)
    expect(attributes).toEqual({
      sizeBytes: 0,
      etag: '',
      lastModifiedMs: 0,
      headers: {},
      metadata: {},
      checksums: [],
      validators: {},
    })
  })

  test('without Last-Modified is as old as the answer', () => {
    const { 'last-modified': _, ...undated } = HEAD
    expect(attributesOf(undated, 1).lastModifiedMs).toBe(Date.UTC(2026, 10, 22, 3, 29, 48))
  })

  test('has each of its names read, and nothing of a name that only resembles one', () => {
    const headers: Record<string, string> = {}
    for (const name of Object.values(READ)) headers[name] = `of ${name}`
    const wanted: Record<string, string> = {}
    for (const [field, name] of Object.entries(READ)) wanted[field] = `of ${name}`
    expect(readFields(headers)).toMatchObject(wanted)
    const resembling = Object.fromEntries(
      Object.keys(headers)
        .flatMap((name) => [`${name}-`, `x-${name}`, name.slice(0, -1)])
        .filter((name) => !Object.hasOwn(headers, name))
        .map((name) => [name, 'x']),
    )
    const { metadata, originHeaders, ...others } = readFields(resembling)
    expect(Object.values(others).filter((value) => value !== undefined)).toEqual([])
    expect(Object.keys(metadata)).toEqual([])
    expect(originHeaders).toBeUndefined()
  })

  test('with a name several times has its values joined (RFC 9110 §5.3)', () => {
    const headers = { 'cache-control': ['no-cache', 'private'], 'x-amz-meta-a': ['1', '2'] }
    const attributes = attributesOf(headers, 1)
    expect(attributes.headers.cacheControl).toBe('no-cache, private')
    expect(attributes.metadata['a']).toBe('1, 2')
  })

  test('keeps an empty value apart from an absent one', () => {
    const { headers, metadata } = attributesOf({ 'content-type': '', 'x-amz-meta-a': '' }, 1)
    expect(headers.contentType).toBe('')
    expect(metadata['a']).toBe('')
  })

  test('may give metadata any name, also one that objects of the language have', () => {
    const headers = Object.fromEntries(
      ['__proto__', 'constructor', ''].map((name) => [`x-amz-meta-${name}`, `of ${name}`]),
    )
    const { metadata } = attributesOf(headers, 1)
    expect(Object.entries(metadata)).toEqual([
      ['__proto__', 'of __proto__'],
      ['constructor', 'of constructor'],
      ['', 'of '],
    ])
  })

  test('has what is not ours handed on, in its order', () => {
    const headers = {
      'x-amz-restore': 'ongoing-request="true"',
      'x-amz-server-side-encryption': 'AES256',
      'x-amz-id-2': 'x',
      'x-amz-expiration': 'never',
    }
    expect(Object.entries(attributesOf(headers, 1).originHeaders ?? {})).toEqual([
      ['x-amz-restore', 'ongoing-request="true"'],
      ['x-amz-server-side-encryption', 'AES256'],
      ['x-amz-expiration', 'never'],
    ])
  })

  test('counts tags from 1 to 999', () => {
    const countOf = (text: string) => attributesOf({ 'x-amz-tagging-count': text }, 1).tagCount
    expect(['0', '1', '999', '1000', 'x', ''].map(countOf)).toEqual([
      undefined,
      1,
      999,
      undefined,
      undefined,
      undefined,
    ])
  })

  test('gives the parts of an object whose tag ends in their number', () => {
    expect(attributesOf({ etag: `"${MD5}-12"` }, 1)).toMatchObject({ partCount: 12 })
    expect(attributesOf({ etag: `"${MD5}"` }, 1)).not.toHaveProperty('partCount')
  })
})

/** Each field by its header. */
const READ = {
  date: 'date',
  etag: 'etag',
  lastModified: 'last-modified',
  versionId: 'x-amz-version-id',
  contentType: 'content-type',
  contentEncoding: 'content-encoding',
  contentLanguage: 'content-language',
  contentDisposition: 'content-disposition',
  cacheControl: 'cache-control',
  expires: 'expires',
  websiteRedirect: 'x-amz-website-redirect-location',
  storageClass: 'x-amz-storage-class',
  taggingCount: 'x-amz-tagging-count',
  checksumType: 'x-amz-checksum-type',
  crc32: 'x-amz-checksum-crc32',
  crc32c: 'x-amz-checksum-crc32c',
  crc64nvme: 'x-amz-checksum-crc64nvme',
  sha1: 'x-amz-checksum-sha1',
  sha256: 'x-amz-checksum-sha256',
  encryption: 'x-amz-server-side-encryption',
  customerAlgorithm: 'x-amz-server-side-encryption-customer-algorithm',
  archiveStatus: 'x-amz-archive-status',
  restore: 'x-amz-restore',
} as const

describe('what most objects of a bucket have in common', () => {
  test('is one value, which nobody can change', () => {
    const { headers, metadata } = attributesOf(HEAD, 1)
    const other = attributesOf({ ...HEAD, etag: '"other"' }, 2)
    expect(other.headers).toBe(headers)
    expect(other.metadata).toBe(metadata)
    expect(Object.isFrozen(headers)).toBe(true)
    expect(Object.isFrozen(metadata)).toBe(true)
  })

  test.each([
    'content-type',
    'content-encoding',
    'content-language',
    'content-disposition',
    'cache-control',
    'expires',
    'x-amz-website-redirect-location',
  ])('is not that of an object with another %s', (name) => {
    const plain = attributesOf({}, 1).headers
    const one = attributesOf({ [name]: 'one' }, 1).headers
    const two = attributesOf({ [name]: 'two' }, 1).headers
    expect(Object.values(plain).filter((value) => value !== undefined)).toEqual([])
    expect(Object.values(one).filter((value) => value !== undefined)).toEqual(['one'])
    expect(Object.values(two).filter((value) => value !== undefined)).toEqual(['two'])
  })

  test('has no metadata of the object before', () => {
    const first = attributesOf({ 'x-amz-meta-a': '1' }, 1).metadata
    const second = attributesOf({ 'x-amz-meta-b': '2' }, 1).metadata
    expect([{ ...first }, { ...second }]).toEqual([{ a: '1' }, { b: '2' }])
    expect(Object.keys(attributesOf({}, 1).metadata)).toEqual([])
  })

  test('is kept without the framing of the upload', () => {
    const encodingOf = (text: string) =>
      attributesOf({ 'content-encoding': text }, 1).headers.contentEncoding
    expect(encodingOf('aws-chunked')).toBeUndefined()
    expect(encodingOf('gzip,aws-chunked')).toBe('gzip')
    expect(encodingOf('aws-chunked, gzip')).toBe('gzip')
  })
})

describe('a checksum', () => {
  const bytes = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((some) => Buffer.from(some))

  test('of four bytes is read whatever they are', () => {
    fc.assert(
      fc.property(bytes, (digest) => {
        expect(parseChecksum('crc32', digest.toString('base64'), 'FULL_OBJECT')).toEqual({
          algorithm: 'crc32',
          kind: 'whole',
          hex: digest.toString('hex'),
        })
      }),
    )
  })

  test('of four bytes is none when a character of it is not of Base64', () => {
    const wrong = fc.constantFrom(' ', '-', '_', '.', '=', '\u00e9', '\u0141', '\n')
    fc.assert(
      fc.property(bytes, fc.nat(5), wrong, (digest, at, character) => {
        const text = digest.toString('base64')
        const broken = text.slice(0, at) + character + text.slice(at + 1)
        expect(parseChecksum('crc32', broken, 'FULL_OBJECT')).toBeUndefined()
      }),
    )
  })

  test.each([
    ['crc64nvme', 8],
    ['sha1', 20],
    ['sha256', 32],
  ] as const)('%s has %i bytes', (algorithm, lengthBytes) => {
    const of = (count: number) => Buffer.alloc(count, 0xa5).toString('base64')
    expect(parseChecksum(algorithm, of(lengthBytes), undefined)?.hex).toBe('a5'.repeat(lengthBytes))
    expect(parseChecksum(algorithm, of(lengthBytes - 1), undefined)).toBeUndefined()
    expect(parseChecksum(algorithm, of(lengthBytes + 1), undefined)).toBeUndefined()
    expect(parseChecksum(algorithm, of(4), undefined)).toBeUndefined()
  })

  test('is composite by its parts, and void when it should be and has none', () => {
    const composite = { algorithm: 'crc32', kind: 'composite', hex: 'c71c0011', partCount: 3 }
    expect(parseChecksum('crc32', 'xxwAEQ==-3', 'COMPOSITE')).toEqual(composite)
    expect(parseChecksum('crc32', 'xxwAEQ==-3', undefined)).toEqual(composite)
    expect(parseChecksum('crc32', 'xxwAEQ==', 'COMPOSITE')).toBeUndefined()
  })

  test('by the tag is one only while the bytes are not encrypted with another key', () => {
    const algorithmsOf = (headers: AnswerHeaders) =>
      checksumsOf(readFields(headers), { etag: MD5, etagWeak: false }).map((one) => one.algorithm)
    expect(algorithmsOf({})).toEqual(['md5'])
    expect(algorithmsOf({ 'x-amz-server-side-encryption': 'AES256' })).toEqual(['md5'])
    expect(algorithmsOf({ 'x-amz-server-side-encryption': 'aws:kms' })).toEqual([])
    expect(algorithmsOf({ 'x-amz-server-side-encryption': 'aws:kms:dsse' })).toEqual([])
    const withKey = { 'x-amz-server-side-encryption-customer-algorithm': 'AES256' }
    expect(algorithmsOf(withKey)).toEqual([])
  })
})

test.each([
  [{}, false],
  [{ 'x-amz-storage-class': 'GLACIER_IR' }, false],
  [{ 'x-amz-storage-class': 'GLACIER' }, true],
  [{ 'x-amz-storage-class': 'DEEP_ARCHIVE' }, true],
  [{ 'x-amz-archive-status': 'ARCHIVE_ACCESS' }, true],
  [{ 'x-amz-storage-class': 'GLACIER', 'x-amz-restore': 'ongoing-request="true"' }, true],
  [{ 'x-amz-storage-class': 'GLACIER', 'x-amz-restore': 'ongoing-request="false"' }, false],
])('an object of %j is archived: %s', (headers, archived) => {
  expect(isArchived(headers)).toBe(archived)
})
