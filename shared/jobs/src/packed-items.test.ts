import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { JobItem } from './job.ts'
import { packItems, unpackItems } from './packed-items.ts'

const KEY = fc.string({ unit: 'binary', maxLength: 12 })
const VERSION = fc.record({ etag: KEY, lastModifiedMs: fc.nat() })

/** As a list tells them, as a template names them, and others. */
const ITEM = fc.oneof(
  fc.record({ key: KEY, version: VERSION, sizeBytes: fc.nat() }),
  fc.record({ key: KEY }),
  fc.record({ key: KEY, sizeBytes: fc.nat() }),
  fc.record({ key: KEY, extra: fc.constant({ url: 'http://a/' }) }),
)

test('items come back as they were, over JSON too', () => {
  const pages = fc.oneof(
    fc.array(fc.record({ key: KEY, version: VERSION, sizeBytes: fc.nat() }), { minLength: 1 }),
    fc.array(fc.record({ key: KEY }), { minLength: 1 }),
    fc.array(ITEM, { minLength: 1 }),
  )
  fc.assert(
    fc.property(pages, (items) => {
      const stored = packItems(items)
      expect(unpackItems(stored)).toEqual(items)
      expect(unpackItems(JSON.parse(JSON.stringify(stored)))).toEqual(items)
    }),
  )
})

test('items of one sort are columns, those of several stay as they are', () => {
  const listed: JobItem = { key: 'a', version: { etag: 'x', lastModifiedMs: 1 }, sizeBytes: 2 }
  expect(packItems([listed, { ...listed, key: 'b' }])).toEqual({
    ...{ keys: 'a\x7fb', etags: 'x\x7fx', timesMs: [1, 1], sizesBytes: [2, 2] },
  })
  expect(packItems([{ key: 'a' }, { key: '' }])).toEqual({ keys: 'a\x7f' })
  for (const other of [
    { key: 'b' },
    { ...listed, key: 'b\x7f' },
    { ...listed, key: 'b', extra: {} },
    { ...listed, key: 'b', version: { etag: '\x7f', lastModifiedMs: 1 } },
  ]) {
    const items = [listed, other]
    expect(packItems(items)).toBe(items)
    expect(unpackItems(items)).toEqual(items)
  }
})

test('columns that do not fit each other are damage, and so is anything else', () => {
  const right = { keys: 'a\x7fb', etags: 'x\x7fy', timesMs: [1, 2], sizesBytes: [3, 4] }
  expect(unpackItems(right)).toHaveLength(2)
  for (const wrong of [
    { ...right, keys: 'a' },
    { ...right, etags: 'x' },
    { ...right, timesMs: [1] },
    { ...right, sizesBytes: undefined },
    { ...right, sizesBytes: [3, '4'] },
    { etags: 'x' },
    [{ name: 'a' }],
    'a',
    null,
    undefined,
  ]) {
    expect(unpackItems(wrong)).toBeUndefined()
  }
})
