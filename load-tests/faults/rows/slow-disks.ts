import { type FileHandle, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runCommand } from '../../testkit/run-command.ts'
import { ROOT } from '../../testkit/tool-install.ts'
import { Checks, type FaultRow, pause, type RowContext, type RowReport, until } from './row.ts'
import { bodyOf, cannotMount, forgetAll, onTwoDisks, stateOf, type TwoDisks } from './two-disks.ts'

const PRELOAD = pathToFileURL(join(ROOT, 'load-tests/faults/rows/paced-disk.ts')).href

/** Reads per second of the slow disk: with the four that are let to a disk at once, 40 ms each. */
const READS_PER_SECOND = 100

/** How long reads of the sound mountpath are measured, each time, ms. */
const MEASURED_MS = 1500

/** Rounds without and with readers of the slow disk in turn: what else the machine does is the same for both. */
const ROUNDS = 3

/** Clients of the sound mountpath. */
const CLIENTS = 4

/** How much slower the slowest hundredth may be: a fifth, and what a timer of the machine is off by. */
const SLOWER_MAX = 1.2
const SLOWER_MS = 1

/** Readers of the disk that is slow or hangs; far more than it is given threads. */
const READERS = 32

/** Longest answer of health while a disk hangs, ms. */
const HEALTH_MS = 1000

/** The node gives a disk this long, and asks the store then, ms. */
const ANSWER_MS = 40_000

/** Row 8: a disk is slow. */
export const slowDisk: FaultRow = {
  number: 8,
  title: 'a disk is slow, 40 ms a read: reads of the other mountpath are as fast as before',
  inTests: false,
  run: (context) => onPacedDisk(context, readBeside),
}

/** Row 9: a disk hangs. */
export const hungDisk: FaultRow = {
  number: 9,
  title:
    'a disk hangs: health and other mountpaths answer, its mountpath leaves, readers get an end',
  inTests: false,
  run: (context) => onPacedDisk(context, hang),
}

/** The bytes by which the disk may read. */
type Pace = {
  /** From now on the disk is held up. */
  begin(): Promise<void>
  /** Lets it read so often. */
  give(reads: number): Promise<void>
  end(): Promise<void>
}

async function onPacedDisk(
  { seed }: RowContext,
  play: (scene: TwoDisks, pace: Pace) => Promise<RowReport>,
): Promise<RowReport> {
  if (cannotMount()) return { figures: '', violations: [], skipped: 'mounting a disk needs root' }
  const fifoPath = join(tmpdir(), `forebay-paced-disk-${process.pid}-${seed}`)
  const env = {
    NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${PRELOAD}`,
    PACED_DISK_FIFO: fifoPath,
    // What is preloaded comes before the node sizes its pool: as many threads as it would have.
    UV_THREADPOOL_SIZE: '16',
  }
  return onTwoDisks({ env }, async (scene) => {
    const tell = async (): Promise<void> => {
      process.kill(scene.server.pid, 'SIGUSR2')
      await pause(100)
    }
    let fifo: FileHandle | undefined
    const pace: Pace = {
      begin: async () => {
        await runCommand('mkfifo', [fifoPath])
        fifo = await open(fifoPath, 'r+')
        await tell()
      },
      give: async (reads) => void (await fifo?.write(Buffer.alloc(reads, '.'))),
      end: async () => {
        await rm(fifoPath, { force: true })
        await tell()
        // Those that wait already go on.
        await pace.give(4096)
        await fifo?.close()
        fifo = undefined
      },
    }
    try {
      return await play(scene, pace)
    } finally {
      await pace.end()
    }
  })
}

async function readBeside(scene: TwoDisks, pace: Pace): Promise<RowReport> {
  const checks = new Checks()
  const alone: number[] = []
  const beside: number[] = []
  let slowReads = 0
  for (let round = 0; round < ROUNDS; round++) {
    alone.push(...(await measure(scene, checks)))
    await forgetAll(scene.failing)
    await pace.begin()
    const over = new AbortController()
    const reading = readSlowly(scene, { checks, signal: over.signal })
    const pacing = keepPace(pace, over.signal)
    beside.push(...(await measure(scene, checks)))
    over.abort()
    await pacing
    await pace.end()
    slowReads += await reading
  }
  const [before, after] = [alone, beside].map((times) => times.toSorted((a, b) => a - b))
  const p99 = { alone: shareOf(before ?? [], 0.99), beside: shareOf(after ?? [], 0.99) }
  const limitMs = p99.alone * SLOWER_MAX + SLOWER_MS
  checks.that(p99.beside <= limitMs, `p99 is ${p99.beside.toFixed(2)} ms beside a slow disk`)
  checks.that(slowReads > 0, 'nobody has read the slow disk')
  return {
    figures: `p99 ${p99.alone.toFixed(2)} ms alone, ${p99.beside.toFixed(2)} ms beside ${slowReads} reads of the slow disk`,
    violations: checks.violations,
  }
}

/** Times of reads of the sound mountpath, ms. */
async function measure({ client, others }: TwoDisks, checks: Checks): Promise<readonly number[]> {
  const times: number[] = []
  const endMs = performance.now() + MEASURED_MS
  const work = async (first: number): Promise<void> => {
    for (let at = first; performance.now() < endMs; at += CLIENTS) {
      const startedMs = performance.now()
      const answer = await client.get(others[at % others.length] ?? '')
      times.push(performance.now() - startedMs)
      checks.that(answer?.status === 200, `a read of the sound mountpath is ${answer?.status}`)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, first) => work(first)))
  return times
}

/** Reads every object of the slow disk once, by many readers. @returns how many came */
async function readSlowly(
  scene: TwoDisks,
  { checks, signal }: { readonly checks: Checks; readonly signal: AbortSignal },
): Promise<number> {
  const left = [...scene.natives, ...scene.copies]
  let done = 0
  const work = async (): Promise<void> => {
    for (let path = left.pop(); path !== undefined && !signal.aborted; path = left.pop()) {
      const answer = await scene.client.get(path)
      const right = answer?.status === 200 && answer.body.equals(bodyOf(path))
      if (checks.that(right, `${path} of the slow disk is ${answer?.status}`)) done += 1
    }
  }
  await Promise.all(Array.from({ length: READERS }, work))
  return done
}

async function keepPace(pace: Pace, signal: AbortSignal): Promise<void> {
  const stepMs = 50
  while (!signal.aborted) {
    await pace.give((READS_PER_SECOND * stepMs) / 1000)
    await pause(stepMs)
  }
}

async function hang(scene: TwoDisks, pace: Pace): Promise<RowReport> {
  const { client, natives, copies, others, failing } = scene
  const checks = new Checks()
  await pace.begin()
  const startedMs = performance.now()
  const read = async (path: string) => {
    // What says nothing for a minute comes to an error, and counts as an end that is too late.
    const answer = await client.get(path).catch(() => undefined)
    return { path, answer, tookMs: performance.now() - startedMs }
  }
  const readers = Promise.all(
    [copies, natives].flatMap((paths) => paths.slice(0, READERS / 2)).map(read),
  )
  let healthMs = 0
  const leftMs = await until(async () => {
    const askedMs = performance.now()
    const health = await client.ask({ method: 'GET', target: '/v1/health' })
    healthMs = Math.max(healthMs, performance.now() - askedMs)
    checks.that(health?.status === 200, `health is ${health?.status}`)
    for (const path of others) {
      const answer = await client.get(path)
      const right = answer?.status === 200 && answer.body.equals(bodyOf(path))
      checks.that(right, `${path} of the sound mountpath is ${answer?.status}`)
    }
    return (await stateOf(client, failing)) === 'faulted'
  }, ANSWER_MS)
  checks.that(healthMs <= HEALTH_MS, `health took ${healthMs.toFixed(0)} ms`)
  checks.that(leftMs <= ANSWER_MS, `it is in service after ${ANSWER_MS} ms`)
  const ends = await readers
  const lastMs = Math.max(...ends.map(({ tookMs }) => tookMs))
  checks.that(lastMs <= ANSWER_MS, `a reader of the disk waited ${lastMs.toFixed(0)} ms`)
  for (const { path, answer } of ends) {
    const whole = answer?.status === 200 && answer.body.equals(bodyOf(path))
    const ended = answer === undefined || answer.status >= 500
    const copy = copies.includes(path)
    checks.that(copy ? whole : ended, `${path} of the disk that hangs is ${answer?.status}`)
  }
  for (const path of copies) {
    const answer = await client.get(path)
    const right = answer?.status === 200 && answer.body.equals(bodyOf(path))
    checks.that(right, `the copy ${path} is ${answer?.status} afterwards`)
  }
  return {
    figures: `out of service after ${leftMs.toFixed(0)} ms, health in ${healthMs.toFixed(0)} ms at most, ${ends.length} readers answered within ${lastMs.toFixed(0)} ms`,
    violations: checks.violations,
  }
}

function shareOf(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
