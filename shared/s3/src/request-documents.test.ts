import { isFailure } from '@forebay/base/failure'
import { DELETE_KEYS_MAX, XML_BODY_BYTES_MAX } from '@forebay/base/limits'
import { describe, expect, test } from 'vitest'
import { parseBucketConfiguration, parseCompletion, parseDeleteList } from './request-documents.ts'

const deletion = (inner: string) => parseDeleteList(Buffer.from(`<Delete>${inner}</Delete>`))
const completion = (inner: string) =>
  parseCompletion(Buffer.from(`<CompleteMultipartUpload>${inner}</CompleteMultipartUpload>`))
const failsAs = (code: Parameters<typeof isFailure>[1]) =>
  expect.toSatisfy((error) => isFailure(error, code ?? 'internal'))

describe('DeleteObjects', () => {
  test('keys are read as they are written', () => {
    expect(
      deletion(
        '<Quiet>true</Quiet><Object><Key> 007&amp;</Key><VersionId>v</VersionId></Object><Object><Key>a</Key><ETag>"e"</ETag><Size>1</Size></Object>',
      ),
    ).toEqual({
      quiet: true,
      keys: [
        { key: ' 007&', versionId: 'v', etag: undefined, otherCondition: false },
        { key: 'a', versionId: undefined, etag: 'e', otherCondition: true },
      ],
    })
  })

  test('the last good and the first bad number of keys; the longest fit into the body', () => {
    const many = (count: number) => '<Object><Key>k</Key></Object>'.repeat(count)
    expect(deletion(many(DELETE_KEYS_MAX)).keys).toHaveLength(DELETE_KEYS_MAX)
    expect(() => deletion(many(DELETE_KEYS_MAX + 1))).toThrow(failsAs('xml-malformed'))
    expect(() => deletion('')).toThrow(failsAs('xml-malformed'))
    const longest = `<Object><Key>${'k'.repeat(1024)}</Key></Object>`.repeat(DELETE_KEYS_MAX)
    expect(longest.length).toBeLessThan(XML_BODY_BYTES_MAX)
    expect(deletion(longest).keys).toHaveLength(DELETE_KEYS_MAX)
  })

  test('an object without a key is malformed', () => {
    expect(() => deletion('<Object/>')).toThrow(failsAs('xml-malformed'))
  })
})

describe('CompleteMultipartUpload', () => {
  const part = (number: string | number, more = '<ETag>"e"</ETag>') =>
    `<Part><PartNumber>${number}</PartNumber>${more}</Part>`

  test('parts have a number, a tag and checksums', () => {
    const crc = '<ETag>&quot;e&quot;</ETag><ChecksumCRC32>NhCmhg==</ChecksumCRC32>'
    expect(completion(part(1, crc) + part(10_000, '<ETag>f</ETag>'))).toEqual([
      {
        partNumber: 1,
        etag: 'e',
        checksums: [{ algorithm: 'crc32', kind: 'whole', hex: '3610a686' }],
      },
      { partNumber: 10_000, etag: 'f', checksums: [] },
    ])
  })

  test('10,000 parts with a tag and a SHA-256 each fit', () => {
    const sha256 = `<ETag>&quot;${'e'.repeat(32)}&quot;</ETag><ChecksumSHA256>${'A'.repeat(43)}=</ChecksumSHA256>`
    const parts = Array.from({ length: 10_000 }, (_, at) => part(at + 1, sha256))
    expect(completion(parts.join('\n'))).toHaveLength(10_000)
  })

  test.each([
    ['', 'xml-malformed'],
    [part(''), 'xml-malformed'],
    [part('1e3'), 'xml-malformed'],
    [part(1, ''), 'xml-malformed'],
    [part(0), 'argument-invalid'],
    [part(10_001), 'part-invalid'],
    [part(2) + part(1), 'part-order-invalid'],
    [part(1) + part(1), 'part-order-invalid'],
    [part(1, '<ETag>e</ETag><ChecksumCRC32>x</ChecksumCRC32>'), 'argument-invalid'],
  ] as const)('%s is refused as %s', (inner, code) => {
    expect(() => completion(inner)).toThrow(failsAs(code))
  })
})

test('a bucket may be asked for in a region', () => {
  expect(parseBucketConfiguration(Buffer.alloc(0))).toEqual({})
  const body =
    '<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>'
  expect(parseBucketConfiguration(Buffer.from(body)).region).toBe('eu-west-1')
  const tagged =
    '<CreateBucketConfiguration><Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags></CreateBucketConfiguration>'
  expect(parseBucketConfiguration(Buffer.from(tagged)).tags).toEqual([{ key: 'a', value: 'b' }])
  expect(() => parseBucketConfiguration(Buffer.from('garbage'))).toThrow(failsAs('xml-malformed'))
})
