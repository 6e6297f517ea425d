import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { expect, test } from 'vitest'
import { MsgpackWriter } from './msgpack-writer.ts'

const packr = new Packr({ useRecords: false, copyBuffers: true })
const writer = new MsgpackWriter()

function written(value: unknown): unknown {
  writer.begin(0)
  writer.value(value)
  return packr.unpack(writer.take())
}

const text = fc.string({ unit: 'binary', maxLength: 100 }).filter((some) => some.isWellFormed())
const leaf = fc.oneof(
  text,
  fc.boolean(),
  fc.integer(),
  fc.double({ noNaN: true }),
  fc.nat(300),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
)
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('tree'), { maxLength: 20 }),
    fc.dictionary(
      text.filter((name) => name !== '__proto__'),
      tie('tree'),
      { maxKeys: 20, noNullPrototype: true },
    ),
  ),
}))

test('what is written is read by msgpackr as it was', () => {
  fc.assert(
    fc.property(tree, (value) => {
      expect(written(value)).toEqual(value)
    }),
    { numRuns: 500 },
  )
})

test('texts keep their characters at every length at which their header changes', () => {
  for (const length of [0, 1, 31, 32, 47, 48, 49, 84, 85, 86, 255, 256, 21_844, 21_846, 65_536]) {
    for (const character of ['a', 'ü', '\u{1f600}']) {
      const text = character.repeat(length)
      expect(written(text)).toBe(text)
    }
  }
})

test('lists and objects of any size are counted', () => {
  for (const length of [0, 15, 16, 65_535, 65_536]) {
    const list = Array.from({ length }, (_, index) => index)
    expect(written(list)).toEqual(list)
  }
  const many = Object.fromEntries(
    Array.from({ length: 70_000 }, (_, index) => [`k${index}`, index]),
  )
  expect(written(many)).toEqual(many)
})

test('a property that is undefined is left out, an element stays in its place', () => {
  expect(Object.keys(Object(written({ a: undefined, b: 1 })))).toEqual(['b'])
  expect(written(['a', undefined, 'b'])).toEqual(['a', undefined, 'b'])
})

test('what is neither text, number, boolean, bytes, list nor object is refused', () => {
  for (const value of [null, 1n, Symbol('s'), () => 1]) {
    expect(() => written([value])).toThrow(TypeError)
  }
})

test('what was taken stays as it was when the next is written', () => {
  writer.begin(4)
  writer.value('first')
  const first = writer.take()
  writer.begin(4)
  writer.value('other')
  expect(first.subarray(5).toString()).toBe('first')
  expect(writer.take().subarray(5).toString()).toBe('other')
})

test('after a huge value its memory is given back', () => {
  writer.begin(0)
  writer.value(Buffer.alloc(8 * 1024 ** 2))
  expect(writer.bytes.length).toBeGreaterThan(8 * 1024 ** 2)
  writer.begin(0)
  expect(writer.bytes.length).toBeLessThan(1024 ** 2)
})
