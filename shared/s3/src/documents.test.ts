import type { ListPartsAnswer } from '@forebay/peer/target-port'
import { expect, test } from 'vitest'
import {
  renderBuckets,
  renderCopy,
  renderDeleted,
  renderLocation,
  renderParts,
  renderUploadCompleted,
} from './documents.ts'
import { parseObjectAttributes, renderObjectAttributes } from './object-attributes.ts'
import { childrenOf, parseXml, textOf } from './xml-read.ts'

const owner = { id: 'o', displayName: 'O' }
const read = (text: string, root: string) => parseXml(Buffer.from(text), root)
const crc = { algorithm: 'crc32', kind: 'whole', hex: '3610a686' } as const
const attributes = {
  sizeBytes: 5,
  etag: 'abc-2',
  lastModifiedMs: 0,
  headers: {},
  metadata: {},
  checksums: [crc, { algorithm: 'md5', kind: 'whole', hex: '00' } as const],
}

test('buckets are named with the second in which they were made', () => {
  const text = renderBuckets({
    buckets: [{ name: 'a', createdMs: 1500 }],
    owner,
    region: 'us-east-1',
    prefix: undefined,
    nextToken: undefined,
  })
  expect(text).toContain(
    '<Bucket><Name>a</Name><CreationDate>1970-01-01T00:00:01.000Z</CreationDate>',
  )
})

test('the location of us-east-1 is written as nothing', () => {
  expect(read(renderLocation('us-east-1'), 'LocationConstraint').text).toBe('')
  expect(read(renderLocation('eu-west-1'), 'LocationConstraint').text).toBe('eu-west-1')
})

test('a copy names tag, date and checksums of the S3 API', () => {
  const root = read(renderCopy('CopyObjectResult', attributes), 'CopyObjectResult')
  expect(root.children.map(({ name }) => name)).toEqual([
    'ETag',
    'LastModified',
    'ChecksumCRC32',
    'ChecksumType',
  ])
})

test('a completed upload names its object', () => {
  const root = read(
    renderUploadCompleted({ location: 'http://h/b/k', bucket: 'b', key: 'k<', attributes }),
    'CompleteMultipartUploadResult',
  )
  expect(textOf(root, 'Key')).toBe('k<')
  expect(textOf(root, 'ETag')).toBe('"abc-2"')
})

test('a page of parts is truncated when another follows', () => {
  const page = {
    bucket: 'b',
    key: 'k +',
    uploadId: 'u',
    afterPart: 0,
    pageMax: 1,
    urlEncoded: true,
    owner,
  }
  const parts = [{ partNumber: 1, sizeBytes: 5, etag: 'e', lastModifiedMs: 0, checksums: [crc] }]
  const root = read(
    renderParts({ ...page, answer: { parts, nextPartNumber: 1 } }),
    'ListPartsResult',
  )
  expect(textOf(root, 'IsTruncated')).toBe('true')
  expect(textOf(root, 'Key')).toBe('k%20%2B')
  const [part] = childrenOf(root, 'Part')
  expect(part && textOf(part, 'ChecksumCRC32')).toBe('NhCmhg==')
})

test('parts of an upload without checksums are listed with the word null for them', () => {
  const page = { bucket: 'b', key: 'k', uploadId: 'u', afterPart: 0, pageMax: 1, urlEncoded: false }
  const listed = (answer: Partial<ListPartsAnswer>) => {
    const none = { parts: [], nextPartNumber: undefined }
    const text = renderParts({ ...page, owner, answer: { ...none, ...answer } })
    const root = read(text, 'ListPartsResult')
    return [textOf(root, 'ChecksumAlgorithm'), textOf(root, 'ChecksumType')]
  }
  expect(listed({})).toEqual(['null', 'null'])
  const stated = { checksumAlgorithm: 'crc32c', checksumKind: 'composite' } as const
  expect(listed(stated)).toEqual(['CRC32C', 'COMPOSITE'])
})

test('a quiet multi-delete names failures only', () => {
  const outcomes = [
    { kind: 'deleted', key: 'a' },
    { kind: 'failed', key: 'b&', code: 'AccessDenied', message: 'no' },
  ] as const
  expect(renderDeleted(outcomes, false)).toContain('<Deleted><Key>a</Key></Deleted>')
  expect(renderDeleted(outcomes, true)).not.toContain('Deleted>')
  expect(renderDeleted(outcomes, true)).toContain('<Key>b&amp;</Key><Code>AccessDenied</Code>')
})

test.each(['ETag,ObjectSize', 'ETag, ObjectSize', ' ETag ,ObjectSize,', 'ObjectSize, ETag, ETag'])(
  'the attributes %j are two',
  (value) => {
    const wanted = parseObjectAttributes({ 'x-amz-object-attributes': value })
    expect([...wanted].sort()).toEqual(['ETag', 'ObjectSize'])
  },
)

test.each(['', ',', 'etag', 'ETag,Foo'])('the attributes %j are refused', (value) => {
  expect(() => parseObjectAttributes({ 'x-amz-object-attributes': value })).toThrow()
})

test('attributes show what was asked for, and parts page by page', () => {
  const all = parseObjectAttributes({
    'x-amz-object-attributes': 'ETag,Checksum,ObjectParts,StorageClass,ObjectSize',
  })
  const parts = [1, 2, 3].map((partNumber) => ({ partNumber, sizeBytes: 5, checksum: crc }))
  const root = read(
    renderObjectAttributes({ ...attributes, parts }, all, { afterPart: 1, pageMax: 1 }),
    'GetObjectAttributesResponse',
  )
  expect(textOf(root, 'ETag')).toBe('abc-2')
  expect(textOf(root, 'ObjectSize')).toBe('5')
  const [listed] = childrenOf(root, 'ObjectParts')
  expect(listed && textOf(listed, 'PartsCount')).toBe('3')
  expect(listed && textOf(listed, 'NextPartNumberMarker')).toBe('2')
  expect(listed && textOf(listed, 'IsTruncated')).toBe('true')
  const few = parseObjectAttributes({ 'x-amz-object-attributes': 'ObjectSize' })
  expect(renderObjectAttributes(attributes, few, { afterPart: 0, pageMax: 1 })).not.toContain(
    'ETag',
  )
})
