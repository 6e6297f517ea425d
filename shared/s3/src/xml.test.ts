import { isFailure } from '@forebay/base/failure'
import { XML_BODY_BYTES_MAX } from '@forebay/base/limits'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  childrenOf,
  numberOf,
  parseXml,
  requiredTextOf,
  textOf,
  XML_DEPTH_MAX,
  XML_ELEMENTS_MAX,
} from './xml-read.ts'
import { xmlDocument, xmlElement } from './xml-write.ts'

const parse = (text: string) => parseXml(Buffer.from(text), 'Delete')
const keyOf = (inner: string) => textOf(parse(`<Delete><Key>${inner}</Key></Delete>`), 'Key')

describe('reading', () => {
  test.each([
    ['007', '007'],
    ['1e3', '1e3'],
    [' a ', ' a '],
    ['a&amp;b', 'a&b'],
    ['&lt;&gt;&quot;&apos;', '<>"\''],
    ['&#65;&#x1F600;', 'A😀'],
    ['&amp;lt;', '&lt;'],
    ['<![CDATA[<x&amp;>]]>', '<x&amp;>'],
    ['a<!-- <b> -->b', 'ab'],
    ['', ''],
    ['true', 'true'],
  ])('a key written %j is %j', (inner, key) => {
    expect(keyOf(inner)).toBe(key)
  })

  test('attributes, the declaration, a byte-order mark and white space between elements are no data', () => {
    const root = parse(
      '\ufeff<?xml version="1.0" encoding="UTF-8"?>\n<Delete xmlns="x">\n <Object a="1"><Key>k</Key></Object>\n <Object/>\n</Delete>\n',
    )
    expect(childrenOf(root, 'Object')).toHaveLength(2)
    expect(root.children[0] && textOf(root.children[0], 'Key')).toBe('k')
  })

  const laughs = `<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><Delete><Key>&b;</Key></Delete>`
  test.each([
    ['billion laughs', laughs],
    ['an external entity', '<!DOCTYPE d SYSTEM "file:///etc/passwd"><Delete/>'],
    ['a DOCTYPE in lower case', '<!doctype d><Delete/>'],
    ['an unknown entity', '<Delete><Key>&foo;</Key></Delete>'],
    ['a bare ampersand', '<Delete><Key>a&b</Key></Delete>'],
    ['an entity of Object.prototype', '<Delete><Key>&constructor;</Key></Delete>'],
    ['a character beyond Unicode', '<Delete><Key>&#x110000;</Key></Delete>'],
    ['a surrogate', '<Delete><Key>&#xD800;</Key></Delete>'],
    ['NUL', '<Delete><Key>&#0;</Key></Delete>'],
    ['garbage', 'garbage'],
    ['nothing', ''],
    ['a cut document', '<Delete><Object><Key>k</Key>'],
    ['crossed tags', '<Delete><a><b></a></b></Delete>'],
    ['two roots', '<Delete/><Delete/>'],
    ['another root', '<Other/>'],
    ['text behind the root', '<Delete/>tail'],
    ['an element named __proto__', '<Delete><__proto__>1</__proto__></Delete>'],
    ['JSON', '{"Delete":1}'],
  ])('%s is malformed', (_, text) => {
    expect(() => parse(text)).toThrow(
      expect.toSatisfy((error) => isFailure(error, 'xml-malformed')),
    )
  })

  test('bytes that are not UTF-8 are malformed', () => {
    expect(() => parseXml(Buffer.from('<Delete>\xff</Delete>', 'latin1'), 'Delete')).toThrow(
      'UTF-8',
    )
  })

  test('the last good and the first bad depth', () => {
    const nested = (levels: number) =>
      `<Delete>${'<a>'.repeat(levels)}${'</a>'.repeat(levels)}</Delete>`
    expect(parse(nested(XML_DEPTH_MAX - 1)).children).toHaveLength(1)
    expect(() => parse(nested(XML_DEPTH_MAX))).toThrow('too deep')
    expect(() => parse(nested(100_000))).toThrow('too deep')
    expect(() => parse('<a>'.repeat(100_000))).toThrow('too deep')
  })

  test('too many elements and too many bytes are refused', () => {
    expect(() => parse(`<Delete>${'<a/>'.repeat(XML_ELEMENTS_MAX)}</Delete>`)).toThrow('too many')
    const long = Buffer.alloc(XML_BODY_BYTES_MAX + 1, 0x20)
    expect(() => parseXml(long, 'Delete')).toThrow(
      expect.toSatisfy((error) => isFailure(error, 'message-too-large')),
    )
  })

  test('a child that comes twice, is missing or is no number is malformed', () => {
    const root = parse('<Delete><A>1</A><A>2</A><B> 12 </B><C>x</C><D><E/></D></Delete>')
    expect(() => textOf(root, 'A')).toThrow('twice')
    expect(() => textOf(root, 'D')).toThrow('not text')
    expect(() => requiredTextOf(root, 'Z')).toThrow('missing')
    expect(() => numberOf(root, 'C')).toThrow('whole number')
    expect(numberOf(root, 'B')).toBe(12)
    expect(numberOf(root, 'Z')).toBeUndefined()
  })
})

describe('writing', () => {
  test('absent values leave no element', () => {
    expect(xmlElement('A', undefined)).toBe('')
    expect(xmlElement('A', '')).toBe('<A></A>')
    expect(xmlElement('A', 0) + xmlElement('B', false)).toBe('<A>0</A><B>false</B>')
  })

  test('what is written is read back, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        fc.pre(text.isWellFormed() && !text.includes('\0'))
        const document = xmlDocument('Delete', xmlElement('Key', text))
        expect(textOf(parseXml(Buffer.from(document), 'Delete'), 'Key')).toBe(text)
      }),
    )
  })
})
