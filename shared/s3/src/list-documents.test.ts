import type { ListedObject } from '@forebay/model/object'
import { describe, expect, test } from 'vitest'
import { renderListV1, renderListV2, renderUploads } from './list-documents.ts'
import { childrenOf, parseXml, textOf } from './xml-read.ts'

const owner = { id: 'o', displayName: 'O & Co' }
const object = (key: string): ListedObject => ({
  key,
  sizeBytes: 3,
  etag: '900150983cd24fb0d6963f7d28e17f72',
  lastModifiedMs: 784_111_777_500,
})

const echo = { bucket: 'b', prefix: 'p +', delimiter: '/', urlEncoded: false, pageMax: 2 }

describe('ListObjectsV2', () => {
  const page = {
    ...echo,
    startAfter: 'p +0',
    continuationToken: 'T1',
    nextContinuationToken: 'T2',
    answer: { objects: [object('p +<1>')], commonPrefixes: ['p +/'], nextToken: 'x' },
    owner: undefined,
  }

  test('every parameter is repeated and prefixes count as names', () => {
    const root = parseXml(Buffer.from(renderListV2(page)), 'ListBucketResult')
    expect(Object.fromEntries(root.children.map(({ name, text }) => [name, text]))).toMatchObject({
      Name: 'b',
      Prefix: 'p +',
      Delimiter: '/',
      StartAfter: 'p +0',
      ContinuationToken: 'T1',
      NextContinuationToken: 'T2',
      KeyCount: '2',
      MaxKeys: '2',
      IsTruncated: 'true',
    })
    const [contents] = childrenOf(root, 'Contents')
    expect(contents && Object.fromEntries(contents.children.map((c) => [c.name, c.text]))).toEqual({
      Key: 'p +<1>',
      LastModified: '1994-11-06T08:49:37.000Z',
      ETag: '"900150983cd24fb0d6963f7d28e17f72"',
      Size: '3',
      StorageClass: 'STANDARD',
    })
  })

  test('with encoding-type=url every name is encoded, a token never', () => {
    const text = renderListV2({ ...page, urlEncoded: true })
    expect(text).toContain('<EncodingType>url</EncodingType>')
    expect(text).toContain('<Prefix>p%20%2B</Prefix>')
    expect(text).toContain('<Key>p%20%2B%3C1%3E</Key>')
    expect(text).toContain('<StartAfter>p%20%2B0</StartAfter>')
    expect(text).toContain('<CommonPrefixes><Prefix>p%20%2B/</Prefix></CommonPrefixes>')
  })

  test('the owner stands in it when it was asked for', () => {
    expect(renderListV2(page)).not.toContain('<Owner>')
    expect(renderListV2({ ...page, owner })).toContain('<DisplayName>O &amp; Co</DisplayName>')
  })

  test('the last page is not truncated', () => {
    const text = renderListV2({ ...page, nextContinuationToken: undefined })
    expect(text).toContain('<IsTruncated>false</IsTruncated>')
    expect(text).not.toContain('NextContinuationToken')
  })
})

test('ListObjects repeats its marker and names the next one', () => {
  const text = renderListV1({
    ...echo,
    marker: '',
    nextMarker: 'p +<1>',
    truncated: true,
    answer: { objects: [object('p +<1>')], commonPrefixes: [], nextToken: 'x' },
    owner,
  })
  expect(text).toContain('<NextMarker>p +&lt;1&gt;</NextMarker>')
  expect(text).toContain('<Owner><ID>o</ID>')
})

test('a listing of uploads is well-formed', () => {
  const root = parseXml(
    Buffer.from(
      renderUploads({
        ...echo,
        keyMarker: 'a&b',
        uploadIdMarker: undefined,
        owner,
        answer: {
          uploads: [
            {
              key: 'k',
              uploadId: 'u',
              initiatedMs: 0,
              checksumAlgorithm: 'crc32',
              checksumKind: 'whole',
            },
          ],
          commonPrefixes: ['x/'],
          truncated: false,
        },
      }),
    ),
    'ListMultipartUploadsResult',
  )
  expect(textOf(root, 'KeyMarker')).toBe('a&b')
  const [upload] = childrenOf(root, 'Upload')
  expect(upload && textOf(upload, 'ChecksumType')).toBe('FULL_OBJECT')
  expect(upload && textOf(upload, 'Initiated')).toBe('1970-01-01T00:00:00.000Z')
})
