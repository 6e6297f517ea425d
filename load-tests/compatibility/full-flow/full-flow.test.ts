import { beforeAll, describe, expect, test } from 'vitest'
import { isLeftOut } from '../../testkit/tools.ts'
import { readResults, summarise } from '../coverage/results.ts'
import { type Compared, compareServers, judge } from './compare-servers.ts'
import { CONFIGURED } from './scope.ts'
import { parseOutput } from './suite.ts'

test('the lines of the suite are read', () => {
  const results = parseOutput(
    '\x1b[36mRUN  \x1b[0mA_b\nRUN  A_c\nFAIL A_b: why: so\nPASS D\nRAN: 2',
  )
  expect([...results]).toEqual([
    ['A_b', { passed: false, said: 'why: so' }],
    ['A_c', { passed: false, said: 'it began and did not end' }],
    ['D', { passed: true, said: '' }],
  ])
})

describe.runIf(!isLeftOut('versitygw'))('the public suite of versitygw', () => {
  let cases: readonly Compared[] = []

  beforeAll(async () => {
    cases = await compareServers(() => undefined)
  })

  test('every case of what is built that versitygw passes, Forebay passes, or it is meant not to', () => {
    const { unexplained, built, referencePassed } = judge(cases)
    expect(built).toBeGreaterThan(300)
    expect(referencePassed).toBeGreaterThan(300)
    expect(unexplained.map(({ name, forebay }) => `${name}: ${forebay.said}`)).toEqual([])
  })

  test('the results written down are those measured', () => {
    expect(summarise(cases)).toEqual(readResults())
  })

  test('what is meant to fail does fail: no reason outlives its case', () => {
    const stale = cases.filter(({ meant, forebay }) => meant !== undefined && forebay.passed)
    expect(stale.map(({ name }) => name)).toEqual([])
  })

  test('what is run with a setting fails without it: no setting outlives its case', () => {
    const configured = cases.filter(({ withoutSetting }) => withoutSetting !== undefined)
    expect(configured.map(({ name }) => name)).toEqual(Object.keys(CONFIGURED).sort())
    const stale = configured.filter(({ withoutSetting }) => withoutSetting?.passed === true)
    expect(stale.map(({ name }) => name)).toEqual([])
  })
})
