import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@forebay/base/clock'
import type { Failure } from '@forebay/base/failure'
import { EmbeddedEngine } from '@forebay/jobs/embedded/embedded-engine'
import type { JobWorker, ListedStep, PageDelivery } from '@forebay/jobs/engine'
import type { ItemFailure, JobRecord, JsonObject, PageOutcome } from '@forebay/jobs/job'
import { JobService } from '../job-service.ts'

/** Jobs on the engine of one node, done by a worker that tests hold back and let go. */
export interface JobRig {
  readonly engine: EmbeddedEngine
  readonly service: JobService
  readonly reported: unknown[]
  /** Nothing is done until then; at once by default. */
  hold(): void
  release(): void
  /** What schedules are told when their time comes; nothing by default. */
  refuseSchedules(refusal: Failure): void
  /** Resolves when the job has ended. */
  ended(id: string): Promise<JobRecord>
  close(): Promise<void>
}

/**
 * Opens it. A job has the items `args.keys`; those that begin with `bad` fail, those that begin with
 * `same` need nothing, each of the others moves ten bytes.
 */
export async function openJobRig(): Promise<JobRig> {
  const folder = await mkdtemp(join(tmpdir(), 'forebay-job-rig-'))
  const engine = await EmbeddedEngine.open({ folder, clock: systemClock })
  const reported: unknown[] = []
  const service = new JobService({
    engine,
    clock: systemClock,
    report: (error) => reported.push(error),
  })
  const gate = new Gate()
  let refusal: Failure | undefined
  await engine.work(workerBehind(gate), async () => refusal)
  return {
    engine,
    service,
    reported,
    hold: () => gate.close(),
    release: () => gate.open(),
    refuseSchedules: (failure) => {
      refusal = failure
    },
    ended: (id) => untilEnded(engine, id),
    close: async () => {
      gate.open()
      await service.close()
      await engine.close()
      await rm(folder, { recursive: true })
    },
  }
}

class Gate {
  #opened: Promise<void> = Promise.resolve()
  #open: () => void = () => undefined

  close(): void {
    this.#opened = new Promise((resolve) => {
      this.#open = resolve
    })
  }

  open(): void {
    this.#open()
  }

  async pass(signal: AbortSignal): Promise<void> {
    await Promise.race([
      this.#opened,
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      }),
    ])
  }
}

function workerBehind(gate: Gate): JobWorker {
  return {
    owner: 'NODE00000001',
    pagesAtOnce: 2,
    list: async ({ job }): Promise<ListedStep> => {
      const items = keysOf(job).map((key) => ({ key, sizeBytes: 10 }))
      const pages = items.length === 0 ? [] : [{ owner: 'NODE00000001', items }]
      return { pages, cursor: undefined }
    },
    apply: async ({ page, lease }: PageDelivery): Promise<PageOutcome> => {
      await gate.pass(lease.signal)
      const failures = page.items
        .filter(({ key }) => key.startsWith('bad'))
        .map((item): ItemFailure => {
          return { key: item.key, code: 'object-not-found', message: 'it is gone', item }
        })
      const skipped = page.items.filter(({ key }) => key.startsWith('same')).length
      const done = page.items.length - failures.length - skipped
      const settled = page.items.map((_item, at) => at)
      return { settled, done, skipped, bytes: done * 10, failures }
    },
    end: async ({ job }) => ({ told: true, ...RESULTS[job.kind] }),
  }
}

const SUMS = { objects: 3, bytes: 31, smallestBytes: 1, largestBytes: 20 } as const

/** What jobs of a kind tell at their end. */
const RESULTS: Readonly<Record<string, JsonObject>> = {
  summary: {
    ...SUMS,
    ...{ cachedObjects: 2, cachedBytes: 30 },
    buckets: [
      { bucket: 'ais://native', ...SUMS, cachedObjects: 3, cachedBytes: 31 },
      { bucket: 'aws://b', error: 'away' },
      { bucket: 'ais://gone', ...SUMS },
    ],
  },
}

function keysOf({ args }: JobRecord): readonly string[] {
  const keys = args['keys']
  return Array.isArray(keys) ? keys.filter((key) => typeof key === 'string') : []
}

async function untilEnded(engine: EmbeddedEngine, id: string): Promise<JobRecord> {
  for (;;) {
    const job = await engine.get(id)
    if (job?.endedMs !== undefined) return job
    await systemClock.sleep(5)
  }
}
