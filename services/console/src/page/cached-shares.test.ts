import { expect, test } from 'vitest'
import { shareOf } from './cached-shares.ts'

const explained = (state: string, fields: Readonly<Record<string, unknown>>) =>
  shareOf({ state, fields, reasons: [] })

test('the share of a partial object is what is here of its bytes', () => {
  const fields = { sizeBytes: 1000, cachedBytes: 250, fresh: true, freshForSeconds: 61 }
  expect(explained('partial', fields)).toEqual({ share: 0.25, freshness: 'fresh for 1 min 1 s' })
})

test('a whole object is wholly here, an empty one too', () => {
  expect(explained('whole', { sizeBytes: 0, cachedBytes: 0, fresh: true })).toEqual({
    share: 1,
    freshness: 'current',
  })
})

test('what is not here, stale, unsettled or being fetched is called so', () => {
  expect(explained('absent', { sizeBytes: 0, cachedBytes: 0 })).toEqual({
    share: 0,
    freshness: 'not here',
  })
  expect(explained('whole', { fresh: false }).freshness).toBe('stale')
  expect(explained('whole', { fresh: false, unsettled: true }).freshness).toBe('unsettled')
  expect(explained('filling', { sizeBytes: 10, cachedBytes: 20 })).toEqual({
    share: 1,
    freshness: 'being fetched',
  })
})
