import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@forebay/base/clock'
import { EmbeddedEngine } from '@forebay/jobs/embedded/embedded-engine'
import type { ItemFailure, JobRecord, JsonObject } from '@forebay/jobs/job'
import type { BucketRecord } from '@forebay/model/bucket'
import { JobLimiter } from '@forebay/target/jobs/job-limits'
import { JobPace } from '@forebay/target/jobs/job-pace'
import { NodeJobWorker } from '@forebay/target/jobs/job-worker'
import type { JobContext } from '@forebay/target/jobs/kind-work'
import { KIND_WORKS } from '@forebay/target/jobs/kind-works'
import { JobRig } from '@forebay/target/jobs/testing/job-rig'
import { UserLoad } from '@forebay/target/jobs/user-load'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { withWeb } from './download-job.ts'
import { startWebTree, TREE_FILE_BYTES_MAX, type WebTree } from './web-tree.ts'

/** A tree of 1,000 files on servers that misbehave: each file's end is the one that is expected. */
const SEED = 1

let rig: JobRig
let tree: WebTree
let engine: EmbeddedEngine
let context: JobContext
let bucket: BucketRecord
let folder: string
const closers: (() => Promise<void>)[] = []

beforeAll(async () => {
  rig = await JobRig.open()
  rig.nowMs = Date.now()
  tree = await startWebTree({ seed: SEED, fileCount: 1000, faultShare: 0.01 })
  const web = withWeb(rig.context)
  context = web.context
  bucket = await rig.native('tree')
  folder = await mkdtemp(join(tmpdir(), 'forebay-download-'))
  await openEngine()
  closers.push(
    () => engine.close(),
    web.close,
    () => tree.close(),
    () => rig.close(),
  )
})

afterAll(async () => {
  for (const close of closers) await close()
  await rm(folder, { recursive: true, force: true })
})

/** As a node does at its start: jobs of the last one go on. */
async function openEngine(): Promise<void> {
  const clock = systemClock
  engine = await EmbeddedEngine.open({ folder, clock })
  const pace = new JobPace({
    clock,
    users: new UserLoad(clock),
    itemsMax: 32,
    loopBusyShare: () => 0,
  })
  await engine.work(
    new NodeJobWorker({
      context,
      works: KIND_WORKS,
      pace,
      limiter: new JobLimiter(clock),
      pagesAtOnce: 4,
      observer: { item: () => undefined, pages: () => undefined, warn: () => undefined },
    }),
  )
}

async function ended(id: string): Promise<JobRecord> {
  for (;;) {
    const job = await engine.get(id)
    if (job?.endedMs !== undefined) return job
    await systemClock.sleep(50)
  }
}

async function failuresOf(id: string): Promise<ReadonlyMap<string, string>> {
  const all: ItemFailure[] = []
  let after: string | undefined
  do {
    const page = await engine.failures(id, { after, max: 1000 })
    all.push(...page.failures)
    after = page.next
  } while (after !== undefined)
  return new Map(all.map(({ key, code }) => [key, code]))
}

async function objectsOf(): Promise<ReadonlyMap<string, Buffer>> {
  const { signal } = new AbortController()
  const found = new Map<string, Buffer>()
  let token: string | undefined
  do {
    const page = await context.target.list({ bucket, prefix: '', token, pageMax: 1000, signal })
    for (const { key } of page.objects) {
      const answer = await context.target.read({ bucket, key, conditions: {}, signal })
      if (answer.kind !== 'found') throw new Error(`${key} is ${answer.kind}`)
      const chunks: Buffer[] = []
      await answer.body.pump?.((chunk) => {
        chunks.push(Buffer.from(chunk))
      }, signal)
      found.set(key, Buffer.concat(chunks))
    }
    token = page.nextToken
  } while (token !== undefined)
  return found
}

function order(more: JsonObject = {}): Parameters<EmbeddedEngine['submit']>[0] {
  return {
    kind: 'download',
    bucket: bucket.ref,
    args: {
      ...more,
      directory: tree.url,
      objectBytesMax: 2 * TREE_FILE_BYTES_MAX,
      stallSeconds: 1,
    },
  }
}

function sorted<T>(entries: ReadonlyMap<string, T>): readonly (readonly [string, T])[] {
  return [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

test(`every file of the tree is stored, or fails as it must (seed ${SEED})`, async () => {
  const { id } = await engine.submit(order())
  const job = await ended(id)
  expect(sorted(await failuresOf(id))).toEqual(sorted(tree.failing))
  expect(job).toMatchObject({
    state: 'failed',
    listing: { items: 1000, complete: true },
    counters: { done: tree.expected.size, skipped: 0, failed: tree.failing.size },
  })
  const objects = await objectsOf()
  expect([...objects.keys()].toSorted()).toEqual([...tree.expected.keys()].toSorted())
  const wrong = [...tree.expected].filter(([key, bytes]) => !objects.get(key)?.equals(bytes))
  expect(wrong.map(([key]) => key)).toEqual([])
  const bytes = [...objects.values()].reduce((sum, { length }) => sum + length, 0)
  expect(job.counters.bytes).toBe(bytes)
  expect([...tree.faults.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0)

  tree.heal()
  await engine.retry(id)
  const cured = await ended(id)
  expect(cured).toMatchObject({
    state: 'finished',
    attempt: 2,
    counters: { done: 1000, failed: 0 },
  })
  expect((await objectsOf()).size).toBe(1000)
})

test('a second download of the tree fetches only what its servers cannot name', async () => {
  rig.nowMs = Date.now()
  const { id } = await engine.submit(order())
  const job = await ended(id)
  expect(job.state).toBe('finished')
  expect(job.counters.skipped).toBeGreaterThanOrEqual(tree.known.size)
  expect(job.counters.done + job.counters.skipped).toBe(1000)
})

test('a download that a stop of the node interrupts goes on, and counts each file once', async () => {
  const { id } = await engine.submit(order({ prepend: 'again/' }))
  const doneMin = async (count: number): Promise<void> => {
    while (((await engine.get(id))?.counters.done ?? 0) < count) await systemClock.sleep(5)
  }
  for (const count of [1, 400]) {
    await doneMin(count)
    await engine.close()
    await openEngine()
  }
  expect(await ended(id)).toMatchObject({
    state: 'finished',
    listing: { items: 1000, complete: true },
    counters: { done: 1000, skipped: 0, failed: 0 },
  })
})
