import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseTemplate, TEMPLATE_KEYS_MAX } from './template.ts'

function keysOf(text: string): readonly string[] {
  const template = parseTemplate(text)
  if (template.kind !== 'range') throw new Error(`no range: ${template.kind}`)
  return Array.from({ length: template.count }, (_, position) => template.keyAt(position))
}

describe('the three ways of writing a range', () => {
  test('braces have ends that are included, a step, and zeros as in the shorter number', () => {
    expect(keysOf('s-{08..11}.tar')).toEqual(['s-08.tar', 's-09.tar', 's-10.tar', 's-11.tar'])
    expect(keysOf('{0001..0010..4}')).toEqual(['0001', '0005', '0009'])
    expect(keysOf('a{9..11}')).toEqual(['a9', 'a10', 'a11'])
    expect(keysOf('a{7..7}b')).toEqual(['a7b'])
  })

  test('an at sign counts from 0 to its number, in as many digits', () => {
    expect(keysOf('p-@03-s')).toEqual(['p-00-s', 'p-01-s', 'p-02-s', 'p-03-s'])
    expect(keysOf('@0')).toEqual(['0'])
  })

  test('a number of printf stands for all numbers of its digits', () => {
    const keys = keysOf('p-%02d.tar')
    expect(keys).toHaveLength(100)
    expect([keys[0], keys[99]]).toEqual(['p-00.tar', 'p-99.tar'])
  })

  test('of several ranges the last one turns fastest', () => {
    expect(keysOf('{1..2}-{01..02}x')).toEqual(['1-01x', '1-02x', '2-01x', '2-02x'])
    expect(keysOf('@1/@1')).toEqual(['0/0', '0/1', '1/0', '1/1'])
  })
})

test('a text without a range is a prefix, and none at all or a star is everything', () => {
  expect(parseTemplate('logs/2025/')).toEqual({ kind: 'prefix', prefix: 'logs/2025/' })
  expect(parseTemplate('a%b%c')).toEqual({ kind: 'prefix', prefix: 'a%b%c' })
  expect(parseTemplate('a{b')).toEqual({ kind: 'prefix', prefix: 'a{b' })
  expect(parseTemplate('').kind).toBe('everything')
  expect(parseTemplate('*').kind).toBe('everything')
})

test.each([
  '{1..2..3..4}',
  '{1}',
  '{}',
  '}{',
  '{2..1}',
  '{1..2..0}',
  '{-1..2}',
  '{a..b}',
  '{1..2}{',
  '{1..2}}{3',
  '{0..9999999999999999}',
  'user@example',
  '@',
  'a%d',
  'a%6d',
  'a%00d',
  'a%x',
])('%s is refused', (text) => {
  expect(() => parseTemplate(text)).toThrow(expect.objectContaining({ code: 'argument-invalid' }))
})

test('a template names as many keys as its limit and no more', () => {
  expect(parseTemplate(`{1..${TEMPLATE_KEYS_MAX}}`)).toMatchObject({ count: TEMPLATE_KEYS_MAX })
  expect(() => parseTemplate(`{0..${TEMPLATE_KEYS_MAX}}`)).toThrow(/more than/)
  expect(() => parseTemplate('%08d')).toThrow(/more than/)
  expect(() => parseTemplate('@99999@99999@99999@99999')).toThrow(/more than/)
})

test('positions name every key of a product of ranges once, in order', () => {
  const range = fc
    .record({ start: fc.nat(50), length: fc.nat(6), step: fc.integer({ min: 1, max: 4 }) })
    .map(({ start, length, step }) => ({ start, end: start + length, step }))
  fc.assert(
    fc.property(fc.array(range, { minLength: 1, maxLength: 4 }), (ranges) => {
      const text = ranges.map(({ start, end, step }) => `-{${start}..${end}..${step}}`).join('')
      let expected = ['']
      for (const { start, end, step } of ranges) {
        const digits = Math.min(`${start}`.length, `${end}`.length)
        const next: string[] = []
        for (const head of expected) {
          for (let number = start; number <= end; number += step) {
            next.push(`${head}-${`${number}`.padStart(digits, '0')}`)
          }
        }
        expected = next
      }
      expect(keysOf(text)).toEqual(expected)
    }),
  )
})

test('no text makes it fail otherwise', () => {
  const piece = fc.constantFrom('{', '}', '..', '@', '%', '0', '12', 'd', '06', '-', 'a', ' ')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      try {
        const template = parseTemplate(pieces.join(''))
        if (template.kind === 'range')
          expect(template.keyAt(template.count - 1)).toBeTypeOf('string')
      } catch (error) {
        expect(error).toMatchObject({ code: 'argument-invalid' })
      }
    }),
  )
})
