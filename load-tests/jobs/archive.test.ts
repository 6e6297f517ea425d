import { expect, test } from 'vitest'
import { archiveRuns } from './archive-run.ts'

test('archives have their members in the order of the list, and a kill leaves none half', async () => {
  const reports = await archiveRuns({
    seed: 7,
    objects: 1200,
    objectBytes: 3001,
    shardMembers: 100,
    formats: ['tar', 'tgz', 'tar.lz4', 'zip'],
    kills: 1,
  })
  for (const report of reports)
    expect(report).toMatchObject({ state: 'finished', error: null, violations: [], shards: 12 })
  expect(reports.map(({ format }) => format)).toEqual(['tar', 'tgz', 'tar.lz4', 'zip'])
  expect(reports[0]?.kills).toBe(1)
}, 120_000)
