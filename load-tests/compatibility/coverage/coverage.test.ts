import { expect, test } from 'vitest'
import { MEANT } from '../full-flow/scope.ts'
import { compareCoverage, readResults } from './results.ts'

test('COVERAGE.md says what the code and the results say; if not: node load-tests/compatibility/coverage/write.ts', () => {
  const { is, shall } = compareCoverage()
  expect(is).toBe(shall)
})

test('each case that fails has its reason, and each reason its case', () => {
  const failed = Object.values(readResults()).flatMap((group) => group.failed)
  expect(failed.sort()).toEqual(Object.keys(MEANT).sort())
})
