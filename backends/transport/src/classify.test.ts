import { expect, test } from 'vitest'
import { retryAfterOf } from './classify.ts'

const NOW = 'Sat, 21 Nov 2026 10:00:00 GMT'

test.each([
  ['0', undefined, 0],
  ['120', undefined, 120],
  ['Sat, 21 Nov 2026 10:02:00 GMT', NOW, 120],
  [NOW, NOW, 0],
] as const)('Retry-After %j at %j asks for a wait', (text, date, seconds) => {
  expect(retryAfterOf(text, date)).toEqual({ retryAfterSeconds: seconds })
})

test.each([
  [undefined, NOW],
  ['soon', NOW],
  ['-1', NOW],
  ['1000000', NOW],
  // Without the store's clock a date says nothing, and what is over asks for nothing.
  ['Sat, 21 Nov 2026 10:02:00 GMT', undefined],
  ['Sat, 21 Nov 2026 09:59:59 GMT', NOW],
  ['Fri, 01 Jan 2100 00:00:00 GMT', NOW],
])('Retry-After %j at %j asks for none', (text, date) => {
  expect(retryAfterOf(text, date)).toEqual({})
})
