/**
 * Memory and the event loop under many large transfers at once, and over a long time. Anonymous
 * memory is what counts: pages of files belong to the kernel's cache.
 */
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { readMetric } from '../testkit/metrics.ts'
import type { Server } from '../testkit/servers.ts'
import type { BenchContext } from './bench-context.ts'
import type { Figure } from './cold.ts'
import {
  BUCKET,
  type Contender,
  createBucket,
  fill,
  prepare,
  startOpenForebay,
} from './contenders.ts'
import { runLoad } from './load.ts'
import { type Request, targetsOf } from './requests.ts'
import { formatSize, median, slope } from './statistics.ts'

const KIB = 1024
const MIB = 1024 ** 2

const PARALLEL = 100
const MEMORY_BAR_BYTES = 512 * MIB
const LOOP_DELAY_BAR_MS = 50

const SAMPLE_MS = 200
const SOAK_SAMPLE_MS = 5000

/** Share of a soak at its start in which caches and heap still grow to their size. */
const SOAK_WARM_SHARE = 0.2

/** Growth that an hour may show: less than the steps in which the allocator grows. */
const SOAK_SLOPE_BAR_MIB_PER_HOUR = 8
const SOAK_FDS_SPREAD_MAX = 64

/** One look at a process. */
export type ProcessSample = {
  readonly atSeconds: number
  readonly anonymousBytes: number
  readonly fds: number
  readonly loopDelayP99Ms: number
}

/** Anonymous resident memory of a `/proc/<pid>/status`, bytes. */
export function parseAnonymousBytes(status: string): number {
  const match = /^RssAnon:\s+(\d+) kB$/m.exec(status)
  if (match === null) throw new Error('/proc/<pid>/status has no line "RssAnon"')
  return Number(match[1]) * KIB
}

export async function measureMemory(
  context: BenchContext,
  options: { readonly getBytes: number; readonly putBytes: number },
): Promise<readonly Figure[]> {
  const forebay = await startOpenForebay(context)
  await createBucket(forebay, BUCKET, { syncWrites: false })
  const idle = await sampleProcess(forebay.server, 0)
  context.say('memory: storing the object that is read ...')
  await fill(context, forebay, { folder: 'large', sizeBytes: options.getBytes, count: 1 })
  const gets = targetsOf(BUCKET, 'large', 1).map((target) => ({ method: 'GET' as const, target }))
  const puts = targetsOf(BUCKET, 'put', PARALLEL).map((target) => ({
    method: 'PUT' as const,
    target,
    headers: { 'content-length': String(options.putBytes) },
  }))
  const parallel = `${PARALLEL} parallel`
  return [
    { what: 'idle: anonymous memory', value: idle.anonymousBytes / MIB, unit: 'MiB' },
    ...(await watchLoad(context, forebay, {
      what: `${parallel} GETs of ${formatSize(options.getBytes)}`,
      list: gets,
      bodyBytes: 0,
    })),
    ...(await watchLoad(context, forebay, {
      what: `${parallel} PUTs of ${formatSize(options.putBytes)}`,
      list: puts,
      bodyBytes: options.putBytes,
    })),
  ]
}

async function watchLoad(
  context: BenchContext,
  forebay: Contender,
  part: { readonly what: string; readonly list: readonly Request[]; readonly bodyBytes: number },
): Promise<readonly Figure[]> {
  context.say(`memory: ${part.what} ...`)
  const running = runLoad({
    client: context.client,
    port: forebay.server.port,
    requests: await prepare(context, forebay, { name: 'memory', list: part.list }),
    connections: PARALLEL,
    count: PARALLEL,
    bodyBytes: part.bodyBytes,
    signal: context.signal,
  })
  const { samples, result } = await sampleWhile(forebay.server, running, SAMPLE_MS)
  const peakMib = Math.max(...samples.map(({ anonymousBytes }) => anonymousBytes)) / MIB
  const delayMs = Math.max(...samples.map(({ loopDelayP99Ms }) => loopDelayP99Ms))
  return [
    { what: `${part.what}: time`, value: result.seconds, unit: 's' },
    {
      what: `${part.what}: anonymous memory, peak`,
      value: peakMib,
      unit: 'MiB',
      bar: `< ${MEMORY_BAR_BYTES / MIB}`,
      met: peakMib < MEMORY_BAR_BYTES / MIB,
    },
    {
      what: `${part.what}: loop delay p99, worst ten seconds`,
      value: delayMs,
      unit: 'ms',
      bar: `< ${LOOP_DELAY_BAR_MS}`,
      met: delayMs < LOOP_DELAY_BAR_MS,
    },
  ]
}

/** Mixed load for a long time; nothing may grow. */
export async function measureSoak(
  context: BenchContext,
  options: { readonly minutes: number },
): Promise<readonly Figure[]> {
  const forebay = await startOpenForebay(context)
  await createBucket(forebay, BUCKET, { syncWrites: false })
  await fill(context, forebay, { folder: 'small', sizeBytes: 4 * KIB, count: 1000 })
  await fill(context, forebay, { folder: 'large', sizeBytes: 16 * MIB, count: 8 })
  const running = loadUntil(context, forebay, Date.now() + options.minutes * 60_000)
  const { samples } = await sampleWhile(forebay.server, running, SOAK_SAMPLE_MS)
  const steady = samples.slice(Math.floor(samples.length * SOAK_WARM_SHARE))
  const mibPerHour =
    slope(steady.map(({ atSeconds, anonymousBytes }) => ({ x: atSeconds, y: anonymousBytes }))) *
    (3600 / MIB)
  const fds = steady.map((sample) => sample.fds)
  const spread = Math.max(...fds) - Math.min(...fds)
  const memory = steady.map(({ anonymousBytes }) => anonymousBytes / MIB)
  return [
    { what: 'soak: samples after warming', value: steady.length, unit: 'samples' },
    { what: 'soak: anonymous memory, median', value: median(memory), unit: 'MiB' },
    { what: 'soak: anonymous memory, peak', value: Math.max(...memory), unit: 'MiB' },
    {
      what: 'soak: slope of anonymous memory',
      value: mibPerHour,
      unit: 'MiB/h',
      bar: `<= ${SOAK_SLOPE_BAR_MIB_PER_HOUR}`,
      met: mibPerHour <= SOAK_SLOPE_BAR_MIB_PER_HOUR,
    },
    { what: 'soak: open descriptors, median', value: median(fds), unit: 'fds' },
    {
      what: 'soak: open descriptors, spread',
      value: spread,
      unit: 'fds',
      bar: `<= ${SOAK_FDS_SPREAD_MAX}`,
      met: spread <= SOAK_FDS_SPREAD_MAX,
    },
  ]
}

/** Reads and writes of all sorts in turn, one second each. */
async function loadUntil(context: BenchContext, forebay: Contender, end: number): Promise<void> {
  const small = targetsOf(BUCKET, 'small', 1000)
  const get = (target: string): Request => ({ method: 'GET', target })
  const put = (sizeBytes: number) => (target: string) => ({
    method: 'PUT' as const,
    target,
    headers: { 'content-length': String(sizeBytes) },
  })
  const turns = [
    { list: small.map(get), bodyBytes: 0 },
    { list: targetsOf(BUCKET, 'large', 8).map(get), bodyBytes: 0 },
    { list: targetsOf(BUCKET, 'written', 1000).map(put(4 * KIB)), bodyBytes: 4 * KIB },
    { list: targetsOf(BUCKET, 'overwritten', 64).map(put(MIB)), bodyBytes: MIB },
    { list: small.map((target) => ({ method: 'HEAD' as const, target })), bodyBytes: 0 },
    { list: [get(`/${BUCKET}?list-type=2&max-keys=1000`)], bodyBytes: 0 },
  ]
  while (Date.now() < end) {
    for (const { list, bodyBytes } of turns) {
      await runLoad({
        client: context.client,
        port: forebay.server.port,
        requests: await prepare(context, forebay, { name: 'soak', list }),
        connections: 16,
        seconds: 1,
        bodyBytes,
        signal: context.signal,
      })
    }
  }
}

async function sampleWhile<T>(
  server: Server,
  running: Promise<T>,
  everyMs: number,
): Promise<{ readonly result: T; readonly samples: readonly ProcessSample[] }> {
  const startedMs = performance.now()
  const samples: ProcessSample[] = []
  const ended = running.then(
    () => true,
    () => true,
  )
  do {
    samples.push(await sampleProcess(server, (performance.now() - startedMs) / 1000))
  } while (!(await Promise.race([ended, sleep(everyMs, false)])))
  const result = await running
  samples.push(await sampleProcess(server, (performance.now() - startedMs) / 1000))
  return { result, samples }
}

/** Anonymous resident memory of a server, bytes. */
export async function readAnonymousBytes(server: Server): Promise<number> {
  return parseAnonymousBytes(await readFile(`/proc/${server.pid}/status`, 'utf8'))
}

async function sampleProcess(server: Server, atSeconds: number): Promise<ProcessSample> {
  const descriptors = await readdir(`/proc/${server.pid}/fd`)
  const delay = await readMetric(server.url, 'forebay_loop_delay_seconds', { statistic: 'p99' })
  return {
    atSeconds,
    anonymousBytes: await readAnonymousBytes(server),
    fds: descriptors.length,
    loopDelayP99Ms: delay * 1000,
  }
}
