import { describe, expect, test } from 'vitest'
import { boundaryOf, FORM_FIELDS_BYTES_MAX, type FormFields, FormParser } from './form-parser.ts'

const failsAs = (code: string) => expect.objectContaining({ code })
const field = (name: string, value: string): string =>
  `--B\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
const file = (bytes: string, more = ''): string =>
  `--B\r\nContent-Disposition: form-data; name="file"; filename="C:\\\\dir\\\\a b.txt"\r\nContent-Type: text/plain\r\n\r\n${bytes}\r\n--B--\r\n${more}`

function parse(text: string, chunkBytes = Number.POSITIVE_INFINITY) {
  let found: { readonly fields: FormFields; readonly fileName: string } | undefined
  const data: Buffer[] = []
  const parser = new FormParser('B', {
    onFile: (fields, fileName) => {
      found = { fields: new Map(fields), fileName }
    },
    onData: (bytes) => data.push(Buffer.from(bytes)),
  })
  const bytes = Buffer.from(text)
  const step = Math.min(bytes.length || 1, chunkBytes)
  for (let at = 0; at < bytes.length; at += step) parser.write(bytes.subarray(at, at + step))
  parser.end()
  return {
    fields: [...(found?.fields ?? [])],
    fileName: found?.fileName,
    text: String(Buffer.concat(data)),
  }
}

const BODY = 'line\r\n--BX\r\n\r\n--\r\nend'
const FORM = field('Key', 'k ü') + field('empty', '') + file(BODY, 'ignored')

test.each([1, 2, 3, 7, 20, 64, 1000])(
  'a form is the same however it is cut: every %i bytes',
  (chunkBytes) => {
    // Only the boundary alone on its line ends a part.
    const body = BODY.replace('--BX', '-BX')
    expect(parse(FORM.replace('--BX', '-BX'), chunkBytes)).toEqual({
      fields: [
        ['key', 'k ü'],
        ['empty', ''],
      ],
      fileName: 'a b.txt',
      text: body,
    })
  },
)

test('a file may be empty, and what follows it is ignored up to a bound', () => {
  expect(parse(file('')).text).toBe('')
  expect(parse(file('x', field('key', 'other'))).fields).toEqual([])
  expect(() => parse(file('x', 'y'.repeat(70_000)))).toThrow(failsAs('form-malformed'))
})

describe('what is no form is refused', () => {
  test.each([
    ['nothing', '', 'argument-invalid'],
    ['fields only', `${field('key', 'k')}--B--\r\n`, 'argument-invalid'],
    ['another boundary', '--C\r\n\r\n', 'form-malformed'],
    ['a part without a name', '--B\r\nContent-Type: a/b\r\n\r\nx\r\n--B--', 'form-malformed'],
    ['a field twice', field('key', 'a') + field('KEY', 'b') + file('x'), 'form-malformed'],
    ['a file that does not end', file('x').slice(0, -6), 'form-malformed'],
  ])('%s', (_, text, code) => {
    expect(() => parse(text)).toThrow(failsAs(code))
    expect(() => parse(text, 1)).toThrow(failsAs(code))
  })

  test('fields beyond 20 KiB, in one piece or in many', () => {
    const room = FORM_FIELDS_BYTES_MAX - 400
    expect(parse(field('a', 'x'.repeat(room)) + file('y')).text).toBe('y')
    const large = field('a', 'x'.repeat(FORM_FIELDS_BYTES_MAX)) + file('y')
    expect(() => parse(large)).toThrow(failsAs('form-fields-too-large'))
    expect(() => parse(large, 100)).toThrow(failsAs('form-fields-too-large'))
  })

  test('bytes that are not UTF-8 in a field', () => {
    const parser = new FormParser('B', { onFile: () => undefined, onData: () => undefined })
    const bytes = Buffer.concat([
      Buffer.from('--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n'),
      Buffer.from([0xff]),
      Buffer.from('\r\n--B'),
    ])
    expect(() => parser.write(bytes)).toThrow(failsAs('form-malformed'))
  })
})

test('the boundary stands in the Content-Type', () => {
  expect(boundaryOf('multipart/form-data; boundary=abc')).toBe('abc')
  expect(boundaryOf('multipart/form-data; boundary="a b"; x=y')).toBe('a b')
  for (const bad of ['multipart/form-data', 'multipart/form-data; boundary=', 'a; boundary="é"']) {
    expect(() => boundaryOf(bad)).toThrow(failsAs('form-malformed'))
  }
  expect(() => boundaryOf(`a; boundary=${'x'.repeat(71)}`)).toThrow(failsAs('form-malformed'))
})
