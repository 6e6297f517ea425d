import { expect, test } from 'vitest'
import { archiveRun } from './archive-run.ts'

test.each([
  ['tar', 2],
  ['tgz', 0],
  ['tar.lz4', 0],
  ['zip', 1],
] as const)(
  '%s shards have their members in the order of the list, and a kill leaves none half',
  async (format, kills) => {
    const report = await archiveRun({
      seed: 7,
      objects: 1500,
      objectBytes: 3001,
      shardMembers: 100,
      format,
      kills,
    })
    expect(report).toMatchObject({ state: 'finished', error: null, violations: [], shards: 15 })
    expect(report.kills).toBe(kills)
  },
  120_000,
)
