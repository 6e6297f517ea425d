/**
 * A process that is to die: opens a store, prepares a scenario, arms a failpoint and acts. What it
 * writes to standard output tells the parent how far it came.
 *
 * Arguments: mountpath, scenario, failpoint plan.
 */
import { writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { armFailpoints } from '@forebay/base/failpoint'
import { compact } from '../compaction.ts'
import {
  CACHED,
  LAZY,
  NATIVE,
  type Opened,
  openTestStore,
  put,
  putPartial,
  SYNC,
  writeBlock,
} from './store-fixture.ts'

// What was compiled is kept at the end of a process, and this one has none.
flushCompileCache()

type Act = () => Promise<unknown>

/** Prepares, and returns the act that is to be interrupted. */
const SCENARIOS: Readonly<Record<string, (opened: Opened) => Promise<Act>>> = {
  put:
    async ({ store }) =>
    () =>
      put(store, { bucket: NATIVE, key: 'k', text: 'new' }),
  overwrite: async ({ store }) => {
    await put(store, { bucket: NATIVE, key: 'k', text: 'old' })
    return () => put(store, { bucket: NATIVE, key: 'k', text: 'new' })
  },
  'overwrite-lazy': async ({ store }) => {
    await put(store, { bucket: CACHED, key: 'k', text: 'old' }, LAZY)
    return () => put(store, { bucket: CACHED, key: 'k', text: 'new' }, LAZY)
  },
  'put-collision': async ({ store }) => {
    await put(store, { bucket: NATIVE, key: 'k/below', text: 'old' })
    return () => put(store, { bucket: NATIVE, key: 'k', text: 'new' })
  },
  'settling-put': async ({ store }) => {
    await store.markUnsettled(8, 'k')
    return () =>
      put(store, { bucket: CACHED, key: 'k', text: 'new' }, { sync: false, settle: true })
  },
  delete: async ({ store }) => {
    await put(store, { bucket: NATIVE, key: 'k', text: 'old' })
    return () => store.remove(7, 'k', { ...SYNC, why: 'delete' })
  },
  'settling-delete': async ({ store }) => {
    await put(store, { bucket: CACHED, key: 'k', text: 'old' }, LAZY)
    await store.markUnsettled(8, 'k')
    return () => store.remove(8, 'k', { sync: false, settle: true, why: 'delete' })
  },
  evict: async ({ store }) => {
    await put(store, { bucket: CACHED, key: 'k', text: 'old' }, LAZY)
    return () => store.createWork(CACHED, 'large', 2 ** 40).catch(() => undefined)
  },
  blocks: async ({ store }) => {
    const record = await writeBlock(store, await putPartial(store, 'k', 10_000), {
      at: 0,
      fill: 65,
    })
    return () => writeBlock(store, record, { at: 1, fill: 66 })
  },
  'last-block': async ({ store }) => {
    const first = await writeBlock(store, await putPartial(store, 'k', 10_000), { at: 0, fill: 65 })
    const record = await writeBlock(store, first, { at: 1, fill: 66 })
    return () => writeBlock(store, record, { at: 2, fill: 67 })
  },
  mark:
    async ({ store }) =>
    () =>
      store.markUnsettled(8, 'k'),
  drop: async ({ store }) => {
    await put(store, { bucket: NATIVE, key: 'k', text: 'old' })
    return () => store.dropBucket(NATIVE)
  },
  compact: async ({ store }) => {
    await put(store, { bucket: NATIVE, key: 'gone', text: 'gone' })
    await put(store, { bucket: NATIVE, key: 'k', text: 'old' })
    await store.remove(7, 'gone', { ...SYNC, why: 'delete' })
    await store.markUnsettled(8, 'marked')
    const [drive] = store.context.drives
    if (drive === undefined) throw new Error('no drive')
    return () => compact(store.context, drive, new AbortController().signal)
  },
}

const [root = '', scenario = '', plan = ''] = process.argv.slice(2)
const prepare = SCENARIOS[scenario]
if (prepare === undefined) throw new Error(`no scenario ${scenario}`)
const opened = await openTestStore([root])
const act = await prepare(opened)
await opened.store.context.index.settled()
armFailpoints(plan)
await act()
writeSync(1, 'acknowledged')
process.kill(process.pid, 'SIGKILL')
