import { execFile } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { STORE_FAILPOINTS } from './failpoints.ts'
import { read } from './testing/read-back.ts'
import { openTestStore, temporaryDirectory, writeBlock } from './testing/store-fixture.ts'

const CHILD = new URL('./testing/crash-child.ts', import.meta.url).pathname

/** Runs a scenario in a process that dies; tells whether it was acknowledged before. */
function die(root: string, scenario: string, plan: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [CHILD, root, scenario, plan],
      (error, out, trouble) => {
        // Every child ends by SIGKILL: at its failpoint, or after it was through.
        if (error?.signal === 'SIGKILL') resolve(out === 'acknowledged')
        else reject(new Error(`the child ended otherwise: ${child.exitCode} ${trouble}`))
      },
    )
  })
}

type Store = Awaited<ReturnType<typeof openTestStore>>['store']

/** What the store holds after the crash, and what is allowed. */
interface Check {
  readonly look: (store: Store) => unknown
  readonly before: unknown
  readonly after: unknown
}

const text = (bucketId: number) => (store: Store) => read(store, bucketId, 'k')
const blocksOf = (store: Store): unknown => {
  const record = store.get(8, 'k')
  return record?.blocks === undefined
    ? read(store, 8, 'k')?.length
    : [...record.blocks.crcs].map((crc) => crc >= 0)
}

const CHECKS: Readonly<Record<string, Check>> = {
  put: { look: text(7), before: undefined, after: 'new' },
  overwrite: { look: text(7), before: 'old', after: 'new' },
  'overwrite-lazy': { look: text(8), before: 'old', after: 'new' },
  'put-collision': {
    look: (store) => [read(store, 7, 'k'), read(store, 7, 'k/below')],
    before: [undefined, 'old'],
    after: ['new', 'old'],
  },
  'settling-put': {
    look: (store) => [read(store, 8, 'k'), store.isUnsettled(8, 'k')],
    before: [undefined, true],
    after: ['new', false],
  },
  delete: { look: text(7), before: 'old', after: undefined },
  'settling-delete': {
    look: (store) => [read(store, 8, 'k'), store.isUnsettled(8, 'k')],
    before: ['old', true],
    after: [undefined, false],
  },
  evict: { look: text(8), before: 'old', after: undefined },
  blocks: { look: blocksOf, before: [true, false, false], after: [true, true, false] },
  'last-block': { look: blocksOf, before: [true, true, false], after: 10_000 },
  // Once journalled a drop is finished by the next start, so there is no old state to find.
  drop: {
    look: (store) => [text(7)(store), store.isEmpty(7)],
    before: [],
    after: [undefined, true],
  },
  mark: { look: (store) => store.isUnsettled(8, 'k'), before: false, after: true },
  compact: {
    look: (store) => [read(store, 7, 'k'), read(store, 7, 'gone'), store.isUnsettled(8, 'marked')],
    before: ['old', undefined, true],
    after: ['old', undefined, true],
  },
}

const { commit, remove, blocks, drop, unsettled, evict, compact } = STORE_FAILPOINTS
const CASES: readonly (readonly [scenario: string, points: readonly string[]])[] = [
  ['put', commit],
  ['overwrite', commit],
  ['overwrite-lazy', commit],
  ['put-collision', [...commit, 'commit:journalled@2', 'commit:renamed@1']],
  ['settling-put', commit],
  ['delete', remove],
  ['settling-delete', remove],
  ['evict', [...evict, ...remove]],
  ['blocks', blocks],
  ['last-block', ['blocks:begun', ...commit.slice(2)]],
  ['drop', drop],
  ['mark', unsettled],
  ['compact', compact],
]

for (const [scenario, points] of CASES) {
  const check = CHECKS[scenario]
  test.concurrent.each(points)(`${scenario}, killed at %s, is as before or done`, async (point) => {
    const root = temporaryDirectory()
    const [name = '', hit] = point.split('@')
    const plan = `${name}=kill${hit === undefined ? '' : `@${hit}`}`
    expect(await die(root, scenario, plan)).toBe(false)
    const first = await openTestStore([root])
    const found = check?.look(first.store)
    expect([check?.before, check?.after]).toContainEqual(found)
    const { objectCount, usedBytes } = first.store.totals()
    expect(readdirSync(join(root, '.forebay/work'))).toEqual([])
    await first.store.close()
    // The journals alone tell the same as the index that survived.
    rmSync(join(root, '.forebay/index'), { recursive: true })
    const { store } = await openTestStore([root])
    expect(check?.look(store)).toEqual(found)
    expect(store.totals()).toMatchObject({ objectCount, usedBytes })
    await store.close()
  })

  test.concurrent(`${scenario}, acknowledged, is done after a kill`, async () => {
    const root = temporaryDirectory()
    expect(await die(root, scenario, '')).toBe(true)
    const { store } = await openTestStore([root])
    expect(check?.look(store)).toEqual(check?.after)
    await store.close()
  })
}

test.each(['put', 'overwrite', 'last-block'])(
  '%s is done from the journal record on: the work file of a dead process gets its name',
  async (scenario) => {
    const root = temporaryDirectory()
    await die(root, scenario, 'commit:journalled=kill')
    const { store } = await openTestStore([root])
    expect(CHECKS[scenario]?.look(store)).toEqual(CHECKS[scenario]?.after)
    await store.close()
  },
)

test.each(['delete', 'settling-delete'])(
  '%s is done from the tombstone on, although the file is there and the index is lost',
  async (scenario) => {
    const root = temporaryDirectory()
    await die(root, scenario, 'remove:journalled=kill')
    rmSync(join(root, '.forebay/index'), { recursive: true })
    const { store } = await openTestStore([root])
    expect(CHECKS[scenario]?.look(store)).toEqual(CHECKS[scenario]?.after)
    await store.close()
  },
)

test('a bucket that was being dropped leaves no files behind', async () => {
  const root = temporaryDirectory()
  await die(root, 'drop', 'drop:indexed=kill')
  const { store } = await openTestStore([root])
  await store.close()
  expect(readdirSync(join(root, 'ais/@'))).toEqual([])
})

test('a sparse object goes on after a kill in the middle of a block', async () => {
  const root = temporaryDirectory()
  await die(root, 'blocks', 'blocks:journalled=kill')
  const { store } = await openTestStore([root])
  const record = store.get(8, 'k')
  if (record === undefined) throw new Error('the record is gone')
  const whole = await writeBlock(store, await writeBlock(store, record, { at: 1, fill: 66 }), {
    at: 2,
    fill: 67,
  })
  expect(whole.blocks).toBeUndefined()
  await store.close()
})
