import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ENTRIES_MAX, EntryIndex } from './entry-index.ts'
import { EntryTable } from './entry-table.ts'

const UNIT = 4096

test('a table agrees with a map in order of insertion through any sequence of changes', () => {
  const act = fc.record({
    kind: fc.constantFrom('put', 'put', 'put', 'remove', 'move'),
    // Few leading bits: all begin their search near each other.
    print: fc.integer({ min: 0, max: 400 }).map((low) => (low * 2_654_435_769) >>> 0),
  })
  fc.assert(
    fc.property(fc.array(act, { maxLength: 3000, size: 'max' }), (acts) => {
      const table = new EntryTable()
      const model = new Map<number, number>()
      let time = 0
      for (const { kind, print } of acts) {
        time += 1
        const position = table.find(print)
        expect(position >= 0).toBe(model.has(print))
        if (kind === 'put' && position < 0) {
          table.append(print, time, time * UNIT)
          model.set(print, time)
        } else if (kind === 'remove' && position >= 0) {
          table.remove(position)
          model.delete(print)
        } else if (kind === 'move' && position >= 0) {
          table.moveToEnd(position)
          const bytes = model.get(print) ?? 0
          model.delete(print)
          model.set(print, bytes)
        }
      }
      expect(table.count).toBe(model.size)
      expect(table.units).toBe([...model.values()].reduce((sum, units) => sum + units, 0))
      const order = [...Array(table.end).keys()]
        .filter((position) => table.isLive(position))
        .map((position) => table.printAt(position))
      expect(order).toEqual([...model.keys()])
    }),
    { numRuns: 30 },
  )
})

test('two tables that share an index agree with two maps, whatever goes from one to the other', () => {
  const act = fc.record({
    kind: fc.constantFrom('put', 'put', 'put', 'put', 'remove', 'end', 'other', 'trim'),
    print: fc.integer({ min: 0, max: 400 }).map((low) => (low * 2_654_435_769) >>> 0),
    queue: fc.nat({ max: 1 }),
  })
  fc.assert(
    fc.property(fc.array(act, { maxLength: 3000, size: 'max' }), (acts) => {
      const index = new EntryIndex()
      const pair = [0, 1].map((queue) => ({
        table: new EntryTable(index, queue === 0 ? 0 : 1),
        model: new Set<number>(),
      }))
      for (const { kind, print, queue } of acts) {
        const [own, other] = queue === 0 ? pair : pair.toReversed()
        if (own === undefined || other === undefined) throw new Error('there are two')
        const position = own.table.find(print)
        expect(position >= 0).toBe(own.model.has(print))
        if (kind === 'trim') own.table.trim()
        if (kind === 'put' && position < 0 && !other.model.has(print)) {
          own.table.append(print, 1, UNIT)
          own.model.add(print)
        }
        if (position < 0) continue
        if (kind === 'remove') own.table.remove(position)
        if (kind === 'end') own.table.moveToEnd(position)
        if (kind === 'other') own.table.moveTo(other.table, position)
        if (kind === 'remove' || kind === 'end' || kind === 'other') own.model.delete(print)
        if (kind === 'end') own.model.add(print)
        if (kind === 'other') other.model.add(print)
      }
      for (const { table, model } of pair) {
        const order = [...Array(table.end).keys()].filter((position) => table.isLive(position))
        expect(order.map((position) => table.printAt(position))).toEqual([...model])
        expect([table.count, table.units]).toEqual([model.size, model.size])
        for (const position of order) expect(table.find(table.printAt(position))).toBe(position)
      }
    }),
    { numRuns: 30 },
  )
})

test('the hand stays on its entry while others come and go', () => {
  const table = new EntryTable()
  for (let print = 0; print < 100; print++) table.append(print, 1, UNIT)
  table.hand = table.find(70)
  for (let print = 0; print < 60; print++) table.remove(table.find(print))
  for (let print = 100; print < 500; print++) table.append(print, 1, UNIT)
  expect(table.printAt(table.hand)).toBe(70)
})

test('sizes are counted in units of 4 KiB, and flags do not touch them', () => {
  const table = new EntryTable()
  const position = table.append(1, 1, 1)
  expect(table.bytesAt(position)).toBe(UNIT)
  table.setFlags(position, 3)
  table.setBytes(position, 5 * 1024 ** 4)
  expect([table.flagsAt(position), table.bytesAt(position)]).toEqual([3, 2 * 1024 ** 4 - UNIT])
  table.setBytes(position, UNIT + 1)
  expect([table.unitsAt(position), table.units, table.usedAt(position)]).toEqual([2, 2, 1])
})

test('a table takes at most 22 bytes an entry, from a thousand entries on', () => {
  const table = new EntryTable()
  for (let count = 1; count <= 30_000; count++) {
    table.append((count * 2_654_435_769) >>> 0, 1, UNIT)
    if (count > 1000) expect(table.memoryBytes / count).toBeLessThan(22)
  }
})

test('a table that lost most of its entries gives memory back when it is trimmed', () => {
  const table = new EntryTable()
  for (let print = 0; print < 10_000; print++) table.append(print, 1, UNIT)
  const full = table.memoryBytes
  for (let print = 0; print < 9_900; print++) table.remove(table.find(print))
  expect(table.memoryBytes).toBe(full)
  table.trim()
  expect(table.memoryBytes).toBeLessThan(full / 50)
  expect([table.count, table.find(9_950) >= 0]).toEqual([100, true])
})

test('what is saved and loaded is the same in the same order', () => {
  const table = new EntryTable()
  for (let print = 0; print < 100; print++) table.append(print, print, (print + 1) * UNIT)
  for (let print = 0; print < 100; print += 3) table.remove(table.find(print))
  table.setFlags(table.find(1), 7)
  const copy = new EntryTable()
  copy.append(2, 9, UNIT)
  copy.load(table.save(), 3)
  expect(copy.count).toBe(table.count)
  expect(copy.usedAt(copy.find(2))).toBe(9)
  expect([copy.flagsAt(copy.find(1)), copy.unitsAt(copy.find(98))]).toEqual([3, 99])
})

test('a full table takes no more, and takes again what is removed', () => {
  const index = new EntryIndex()
  const table = new EntryTable(index, 0)
  for (let print = 0; print < ENTRIES_MAX; print++) table.append(print, 1, UNIT)
  expect(table.append(ENTRIES_MAX, 1, UNIT)).toBe(-1)
  const other = new EntryTable(index, 1)
  expect(other.moveTo(table, other.append(ENTRIES_MAX, 1, UNIT))).toBe(-1)
  expect([other.count, index.find(ENTRIES_MAX)]).toEqual([0, 0])
  table.remove(table.find(7))
  expect(table.printAt(table.append(ENTRIES_MAX, 1, UNIT))).toBe(ENTRIES_MAX)
  expect([table.count, table.find(7)]).toEqual([ENTRIES_MAX, -1])
})
