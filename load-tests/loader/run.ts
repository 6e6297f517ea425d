/** A run from its set-up to its clean-up. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Credentials } from '@forebay/s3/sigv4/sign'
import { Random } from '../faults/random.ts'
import { nextGapMs, shuffled } from './distributions.ts'
import { Door } from './door.ts'
import { Histogram } from './histogram.ts'
import { KeySpace } from './keys.ts'
import type { LoaderOptions } from './options.ts'
import { Progress } from './progress.ts'
import { Recorder } from './recorder.ts'
import { type ExistingObject, Workload } from './workload.ts'

/** How long requests under way may take after the run was interrupted. */
const INTERRUPTED_MS = 2000

/** Pages of a bucket that `-existing` reads the names of. */
const PAGES_MAX = 1000

/** Longest sleep of the schedule: an interruption is seen after it. */
const SLEEP_MS_MAX = 50

/** One pass through all objects. */
export type Epoch = {
  readonly epoch: number
  readonly seconds: number
  readonly operations: number
  readonly bytes: number
  readonly p50Us: number
  readonly p99Us: number
}

/** What a run came to. */
export type RunResult = {
  readonly recorder: Recorder
  readonly epochs: readonly Epoch[]
  /** From the first request that counts to the last answer. */
  readonly seconds: number
  /** Of the loader itself, meanwhile. */
  readonly cpuSeconds: number
  readonly isInterrupted: boolean
}

export type Identity = {
  readonly credentials?: Credentials | undefined
  readonly token?: string | undefined
}

/**
 * Sets up, loads, cleans up.
 *
 * @param run.signal ends the run early; what was measured until then is returned
 * @throws Error when the set-up fails
 */
export async function runLoader(
  options: LoaderOptions,
  run: {
    readonly identity: Identity
    readonly say: (line: string) => void
    readonly signal: AbortSignal
  },
): Promise<RunResult> {
  const door = new Door({ ...options, ...run.identity })
  const keys = new KeySpace({ ...options, count: options.objects })
  try {
    const bucketMade = await makeBucket(door)
    const existing = options.existing ? await listAll(door, options) : []
    if (options.existing && existing.length === 0) {
      throw new Error(`bucket ${options.bucket} lists no object to read`)
    }
    const random = new Random('workload', options.seed, options.prefix)
    const workload = new Workload({ options, door, keys, random, existing })
    if (!options.existing) await prepare(options, { keys, ...run })
    const result = await measure(options, { workload, random, door, ...run })
    if (options.cleanup) await cleanUp({ keys, options, bucketMade, ...run })
    return result
  } finally {
    door.close()
  }
}

/** @returns whether it was not there before */
async function makeBucket(door: Door): Promise<boolean> {
  const head = await door.ask(door.headBucket())
  if (head.status === 200) return false
  const { bucket } = door.options
  if (head.status !== 404) throw new Error(`bucket ${bucket}: status ${head.status}`)
  const made = await door.askText(door.createBucket())
  if (made.status === 200 || made.status === 201) return true
  throw new Error(
    `bucket ${bucket} cannot be made: status ${made.status} ${made.text.slice(0, 300)}`,
  )
}

async function listAll(door: Door, options: LoaderOptions): Promise<readonly ExistingObject[]> {
  if (door.options.api !== 's3') throw new Error('-existing needs -s3endpoint')
  const found: ExistingObject[] = []
  let token = ''
  const prefix = options.prefix === 'load/' ? '' : options.prefix
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const { status, text } = await door.askText(door.list(prefix, token))
    if (status !== 200) throw new Error(`the listing of ${options.bucket} answered ${status}`)
    for (const [, entry = ''] of text.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
      const name = /<Key>([^<]*)<\/Key>/.exec(entry)?.[1]
      const sizeBytes = Number(/<Size>(\d+)<\/Size>/.exec(entry)?.[1])
      if (name !== undefined) found.push({ name: decodeXml(name), sizeBytes })
    }
    token = decodeXml(/<NextContinuationToken>([^<]*)</.exec(text)?.[1] ?? '')
    if (token === '') return found
  }
  return found
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  amp: '&',
}

function decodeXml(text: string): string {
  return text.replace(/&(?:(\w+)|#(\d+)|#x([\da-f]+));/gi, (whole, ...found: readonly string[]) => {
    const [name, decimal, hex] = found
    if (name !== undefined) return ENTITIES[name] ?? whole
    return String.fromCodePoint(
      decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal),
    )
  })
}

/** Writes every object once, unless an earlier run has, or the run itself does nothing but write. */
async function prepare(
  options: LoaderOptions,
  run: {
    readonly keys: KeySpace
    readonly identity: Identity
    readonly say: (line: string) => void
    readonly signal: AbortSignal
  },
): Promise<void> {
  const { keys } = run
  if (options.percent.put === 100) return
  if (!options.prepare) {
    for (let index = 0; index < keys.count; index += 1) keys.assumePrepared(index)
    return
  }
  const endpoints =
    options.prepareEndpoint === undefined ? options.endpoints : [options.prepareEndpoint]
  const door = new Door({ ...options, ...run.identity, endpoints })
  const random = new Random('prepare', options.seed)
  const workload = new Workload({ options, door, keys, random, existing: [] })
  const startedMs = performance.now()
  try {
    if (options.prepareEndpoint !== undefined) await makeBucket(door)
    let next = 0
    const work = async (): Promise<void> => {
      while (next < keys.count) {
        run.signal.throwIfAborted()
        const index = next++
        const { error } = await workload.write(index)
        if (error !== undefined)
          throw new Error(`object ${keys.name(index)} cannot be written: ${error}`)
      }
    }
    await Promise.all(Array.from({ length: options.workers }, work))
    const seconds = (performance.now() - startedMs) / 1000
    run.say(`prepared ${keys.count} objects in ${seconds.toFixed(1)} s`)
  } finally {
    door.close()
  }
}

type Measuring = {
  readonly workload: Workload
  readonly random: Random
  readonly door: Door
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

async function measure(options: LoaderOptions, parts: Measuring): Promise<RunResult> {
  const startMs = performance.now() + options.warmupMs
  const recorder = new Recorder(startMs)
  const endMs = options.durationMs === 0 ? Number.POSITIVE_INFINITY : startMs + options.durationMs
  const progress = new Progress({ options, recorder, endMs, say: parts.say })
  let cpuBefore = process.cpuUsage()
  const warm = setTimeout(() => {
    cpuBefore = process.cpuUsage()
  }, options.warmupMs)
  // Whoever interrupts the run waits for what is under way, but not for long.
  const cut = (): void => void setTimeout(() => parts.door.close(), INTERRUPTED_MS).unref()
  parts.signal.addEventListener('abort', cut, { once: true })
  const limits = limitsOf(options, { ...parts, recorder, endMs })
  let epochs: readonly Epoch[] = []
  try {
    if (options.epochs > 0) epochs = await runEpochs(options, { ...parts, recorder, limits })
    else if (options.ratePerSecond === undefined) {
      await runClosed(options.workers, { ...parts, recorder, limits })
    } else await runOpen(options, options.ratePerSecond, { ...parts, recorder, limits })
  } finally {
    clearTimeout(warm)
    progress.stop()
    parts.signal.removeEventListener('abort', cut)
  }
  recorder.roll(recorder.endMs)
  const { user, system } = process.cpuUsage(cpuBefore)
  return {
    recorder,
    epochs,
    seconds: (recorder.endMs - recorder.startMs) / 1000,
    cpuSeconds: (user + system) / 1e6,
    isInterrupted: parts.signal.aborted,
  }
}

/** What ends a run. */
type Limits = {
  /** Counts one operation that is about to be issued; false when none may be. */
  readonly next: (nowMs: number) => boolean
}

function limitsOf(
  options: LoaderOptions,
  parts: Measuring & { readonly recorder: Recorder; readonly endMs: number },
): Limits {
  let issued = 0
  const most = options.operationsMax ?? Number.POSITIVE_INFINITY
  const putBytesMax = options.putBytesMax ?? Number.POSITIVE_INFINITY
  return {
    next: (nowMs) => {
      if (parts.signal.aborted || nowMs >= parts.endMs) return false
      if (issued >= most || parts.workload.putBytes >= putBytesMax) return false
      // The warm-up does not use the count up.
      if (nowMs >= parts.recorder.startMs) issued += 1
      return true
    },
  }
}

type Loop = Measuring & { readonly recorder: Recorder; readonly limits: Limits }

/** Each worker sends its next request when it has its answer. */
async function runClosed(
  workers: number,
  { workload, recorder, limits }: Pick<Loop, 'workload' | 'recorder' | 'limits'>,
): Promise<void> {
  const work = async (): Promise<void> => {
    for (let nowMs = performance.now(); limits.next(nowMs); nowMs = performance.now()) {
      await workload.perform(workload.nextKind(), { dueMs: nowMs }, recorder)
    }
  }
  await Promise.all(Array.from({ length: workers }, work))
}

/**
 * Requests are sent when they are due, whether or not earlier ones were answered, and their times
 * begin when they were due: a server that stalls is charged for all who would have come meanwhile.
 */
async function runOpen(options: LoaderOptions, rate: number, loop: Loop): Promise<void> {
  const { workload, recorder, limits } = loop
  const arrivals = new Random('arrivals', options.seed, options.prefix)
  const underWay = new Set<Promise<void>>()
  let failure: Error | undefined
  let dueMs = performance.now() + nextGapMs(options.arrival, rate, arrivals)
  while (failure === undefined) {
    const nowMs = performance.now()
    if (dueMs > nowMs) {
      if (loop.signal.aborted) break
      await sleep(Math.min(SLEEP_MS_MAX, dueMs - nowMs))
      continue
    }
    if (!limits.next(dueMs)) break
    const kind = workload.nextKind()
    if (dueMs >= recorder.startMs) recorder.lag.record((nowMs - dueMs) * 1000)
    if (underWay.size >= options.inFlightMax) {
      recorder.record({ kind, dueMs, endMs: nowMs, bytes: 0, error: 'overload' })
    } else {
      const doing: Promise<void> = workload
        .perform(kind, { dueMs }, recorder)
        .catch((error: unknown) => {
          failure ??= error instanceof Error ? error : new Error(String(error))
        })
        .finally(() => underWay.delete(doing))
      underWay.add(doing)
    }
    dueMs += nextGapMs(options.arrival, rate, arrivals)
  }
  await Promise.all(underWay)
  if (failure !== undefined) throw failure
}

/** Every object once per epoch, in an order of its own, by workers that share the list. */
async function runEpochs(options: LoaderOptions, loop: Loop): Promise<readonly Epoch[]> {
  const { workload, recorder, limits } = loop
  const epochs: Epoch[] = []
  for (let epoch = 1; epoch <= options.epochs && !loop.signal.aborted; epoch += 1) {
    const order = shuffled(workload.objectCount, new Random('epoch', options.seed, epoch))
    const startedMs = performance.now()
    const before = { operations: recorder.operations, bytes: recorder.kinds.get.bytes }
    const latency = new Histogram()
    let next = 0
    const work = async (): Promise<void> => {
      for (let nowMs = performance.now(); limits.next(nowMs); nowMs = performance.now()) {
        const index = order[next++]
        if (index === undefined) return
        await workload.perform('get', { dueMs: nowMs, index }, recorder)
        latency.record((performance.now() - nowMs) * 1000)
      }
    }
    await Promise.all(Array.from({ length: options.workers }, work))
    const done: Epoch = {
      epoch,
      seconds: (performance.now() - startedMs) / 1000,
      operations: recorder.operations - before.operations,
      bytes: recorder.kinds.get.bytes - before.bytes,
      p50Us: latency.quantileUs(0.5),
      p99Us: latency.quantileUs(0.99),
    }
    epochs.push(done)
    const mib = done.bytes / 1024 ** 2 / done.seconds
    loop.say(
      `epoch ${epoch}: ${done.operations} objects in ${done.seconds.toFixed(1)} s, ${mib.toFixed(1)} MiB/s`,
    )
  }
  return epochs
}

type CleaningUp = {
  readonly keys: KeySpace
  readonly options: LoaderOptions
  readonly bucketMade: boolean
  readonly identity: Identity
  readonly say: (line: string) => void
}

/** With connections of its own: those of an interrupted run are cut. The report comes in any case. */
async function cleanUp(run: CleaningUp): Promise<void> {
  const { options } = run
  if (options.existing) return
  const door = new Door({ ...options, ...run.identity })
  try {
    await removeAll(door, run)
  } catch (error) {
    run.say(`not all was removed: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    door.close()
  }
}

/** Removes what the run may have written; a bucket with anything else in it stays. */
async function removeAll(door: Door, run: CleaningUp): Promise<void> {
  const { keys, options } = run
  let next = 0
  let failures = 0
  const work = async (): Promise<void> => {
    while (next < keys.count) {
      const target = door.objectTarget(keys.name(next++))
      const { status } = await door.ask({ method: 'DELETE', target })
      if (status >= 300 && status !== 404) failures += 1
    }
  }
  await Promise.all(Array.from({ length: options.workers }, work))
  if (failures > 0) run.say(`${failures} objects could not be removed`)
  if (!run.bucketMade) return
  const { status } = await door.ask(door.removeBucket())
  if (status >= 300) run.say(`bucket ${options.bucket} could not be removed: status ${status}`)
}
