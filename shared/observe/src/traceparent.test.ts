import { expect, test } from 'vitest'
import { parseTraceparent } from './traceparent.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'

test('a traceparent names trace, parent and whether it is traced', () => {
  const parent = { traceId: TRACE, spanId: SPAN, isRemote: true }
  expect(parseTraceparent(`00-${TRACE}-${SPAN}-01`)).toEqual({ ...parent, traceFlags: 1 })
  expect(parseTraceparent(`00-${TRACE}-${SPAN}-00`)).toEqual({ ...parent, traceFlags: 0 })
  // Other flags are for others to know (Trace Context §3.2.2.5).
  expect(parseTraceparent(`00-${TRACE}-${SPAN}-ff`)).toEqual({ ...parent, traceFlags: 1 })
})

test('a later version may have more fields, version 00 may not', () => {
  expect(parseTraceparent(`01-${TRACE}-${SPAN}-01-more`)?.traceId).toBe(TRACE)
  expect(parseTraceparent(`00-${TRACE}-${SPAN}-01-more`)).toBeUndefined()
})

test.each([
  ['none', undefined],
  ['an empty one', ''],
  ['version ff', `ff-${TRACE}-${SPAN}-01`],
  ['capitals', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
  ['a trace of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
  ['a parent of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
  ['a short trace', `00-${TRACE.slice(1)}-${SPAN}-01`],
  ['no flags', `00-${TRACE}-${SPAN}`],
  ['a long one', `01-${TRACE}-${SPAN}-01-${'x'.repeat(300)}`],
])('%s is no parent', (_what, header) => {
  expect(parseTraceparent(header)).toBeUndefined()
})
