import { expect, test } from 'vitest'
import { formatTaggingHeader, parseTagging, parseTaggingHeader, renderTagging } from './tagging.ts'

const tag = (key: string, value: string): string =>
  `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`
const parse = (tags: string, tagged: 'object' | 'bucket' = 'object') =>
  parseTagging(Buffer.from(`<Tagging><TagSet>${tags}</TagSet></Tagging>`), tagged)
const many = (count: number): string =>
  Array.from({ length: count }, (_, at) => tag(`k${at}`, 'v')).join('')

test('a document of tags is read and written, also an empty one', () => {
  const tags = parse(tag('team', 'blue') + tag('ключ', ''))
  expect(tags).toEqual([
    { key: 'team', value: 'blue' },
    { key: 'ключ', value: '' },
  ])
  expect(parseTagging(Buffer.from(renderTagging(tags)), 'object')).toEqual(tags)
  expect(parse('')).toEqual([])
})

test('an object has at most 10 tags, a bucket 50', () => {
  expect(parse(many(10))).toHaveLength(10)
  expect(() => parse(many(11))).toThrow('Object tags cannot be greater than 10')
  expect(parse(many(50), 'bucket')).toHaveLength(50)
  expect(() => parse(many(51), 'bucket')).toThrow('Bucket tag count cannot be greater than 50')
})

test('a key has 1 to 128 characters, a value up to 256', () => {
  expect(parse(tag('k'.repeat(128), 'v'.repeat(256)))).toHaveLength(1)
  expect(parse(tag('ü'.repeat(128), '')).at(0)?.key).toHaveLength(128)
  expect(() => parse(tag('k'.repeat(129), ''))).toThrow('TagKey')
  expect(() => parse(tag('', 'v'))).toThrow('TagKey')
  expect(() => parse(tag('k', 'v'.repeat(257)))).toThrow('TagValue')
})

test.each(['a*b', 'a#b', 'a!b', 'data%20', 'a;b', 'a?b'])('%j is in no tag', (text) => {
  expect(() => parse(tag(text, 'v'))).toThrow('TagKey')
  expect(() => parse(tag('k', text))).toThrow('TagValue')
})

test('a key twice and other documents are refused', () => {
  expect(() => parse(tag('k', '1') + tag('k', '2'))).toThrow('same key')
  const malformed = expect.objectContaining({ code: 'xml-malformed' })
  for (const text of [
    '<Tagging/>',
    '<Tagging><TagSet/><TagSet/></Tagging>',
    '<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>',
    '<Other><TagSet/></Other>',
  ]) {
    expect(() => parseTagging(Buffer.from(text), 'object')).toThrow(malformed)
  }
})

test('the header is URL encoded pairs, the empty ones skipped', () => {
  const read = (value: string) => parseTaggingHeader({ 'x-amz-tagging': value })
  expect(parseTaggingHeader({})).toBeUndefined()
  expect(read('')).toEqual([])
  expect(read('&a=1&&b&')).toEqual([
    { key: 'a', value: '1' },
    { key: 'b', value: '' },
  ])
  expect(read('a+b=c%2Bd%C3%BC')).toEqual([{ key: 'a b', value: 'c+dü' }])
  expect(read(formatTaggingHeader([{ key: 'a b', value: '+ü=' }]))).toEqual([
    { key: 'a b', value: '+ü=' },
  ])
  const invalid = expect.objectContaining({ code: 'argument-invalid' })
  for (const bad of ['=', 'key%', 'a=1&a=2', 'a=%ff']) expect(() => read(bad)).toThrow(invalid)
  expect(() => read('a*=1')).toThrow('TagKey')
  const eleven = Array.from({ length: 11 }, (_, at) => `k${at}`).join('&')
  expect(() => read(eleven)).toThrow(expect.objectContaining({ code: 'tags-too-many' }))
})
