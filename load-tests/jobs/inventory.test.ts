import { expect, test } from 'vitest'
import { inventoryRun } from './inventory-run.ts'

test('an inventory whose node is killed midway is made of one list, and lists what there is without the store', async () => {
  const report = await inventoryRun({ seed: 3, keys: 5500, listMs: 20, kills: 1, changes: 20 })
  // A page that was being asked for when the node died is asked for again.
  expect(report.buildLists).toBeLessThanOrEqual(6 + report.kills)
  expect(report).toMatchObject({
    listsMeanwhile: 0,
    isComplete: true,
    isCurrent: true,
    isRefreshed: true,
  })
}, 60_000)
