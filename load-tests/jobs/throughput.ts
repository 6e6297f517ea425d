/**
 * Prefetch and copy beside as many workers with the SDK, the store being slow, and what the engine takes:
 *
 * `node load-tests/jobs/throughput.ts --objects 1000 --workers 16 --engine-objects 100000 --redis`
 *
 * With `--redis` the node keeps its jobs in a Valkey, and BullMQ is measured too. Exit status 1: a bar
 * was missed.
 */
import { parseArgs } from 'node:util'
import { formatNumber, formatSize, formatTable, parseSize } from '../bench/statistics.ts'
import { type EngineShare, engineAlone, realPrefetch } from './engine-share.ts'
import type { Cost } from './helper-process.ts'
import { type Comparison, throughputRun } from './throughput-run.ts'

/** Least objects a second of a job to those of the SDK. */
const RATIO_MIN = 0.8

/** Most that an engine may take of a prefetch. */
const SHARE_MAX = 0.01

const { values } = parseArgs({
  options: {
    /** Of one round; 0 leaves the comparison out. */
    objects: { type: 'string', default: '1000' },
    sizes: { type: 'string', default: '4k,1m' },
    workers: { type: 'string', default: '16' },
    rounds: { type: 'string', default: '3' },
    /** Until a request reaches the store, ms. */
    latency: { type: 'string', default: '100' },
    /** Of a connection to the store, per second. */
    rate: { type: 'string', default: '10m' },
    /** Of the job that shows what the engine takes; 0 leaves that out. */
    'engine-objects': { type: 'string', default: '100000' },
    redis: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
  },
})
const engineObjects = Number(values['engine-objects'])
const missed = [
  ...(Number(values.objects) === 0 ? [] : showThroughput(await measureThroughput())),
  ...(engineObjects === 0 ? [] : await measureEngines(engineObjects)),
]
for (const line of missed) console.info(`missed: ${line}`)
if (missed.length === 0) console.info('every bar was met')
process.exitCode = missed.length === 0 ? 0 : 1

function measureThroughput(): Promise<readonly Comparison[]> {
  return throughputRun({
    objects: Number(values.objects),
    sizesBytes: values.sizes.split(',').map(parseSize),
    workers: Number(values.workers),
    rounds: Number(values.rounds),
    latencyMs: Number(values.latency),
    bytesPerSecond: parseSize(values.rate),
    inRedis: values.redis,
    seed: Number(values.seed),
    say: (line) => console.error(line),
  })
}

function showThroughput(found: readonly Comparison[]): readonly string[] {
  const rows = found.map(({ work, sizeBytes, direct, job, ratio }) => [
    ...[work, formatSize(sizeBytes)],
    ...[direct, job].map(({ objectsPerSecond }) => formatNumber(objectsPerSecond)),
    ratio.toFixed(2),
    ...[direct, job].map(({ cpuMsPerObject }) => formatNumber(cpuMsPerObject)),
  ])
  const head = ['work', 'size', 'SDK/s', 'job/s', 'ratio', 'SDK CPU ms', 'job CPU ms']
  console.info(formatTable([head, ...rows]))
  return found
    .filter(({ ratio }) => !(ratio >= RATIO_MIN))
    .map(({ work, sizeBytes, ratio }) => {
      const what = `${work} of ${formatSize(sizeBytes)}`
      return `${what} is ${ratio.toFixed(2)} of the SDK, ${RATIO_MIN} is the least`
    })
}

async function measureEngines(objects: number): Promise<readonly string[]> {
  const shares = [await engineAlone('embedded', objects)]
  if (values.redis) shares.push(await engineAlone('bullmq', objects))
  const real = await realPrefetch(objects)
  const cells = ({ cost }: EngineShare): readonly string[] => [
    ...[formatNumber(cost.seconds), percent(shareOf(cost, real).wall)],
    ...[formatNumber(cost.cpuSeconds), percent(shareOf(cost, real).cpu)],
  ]
  const { seconds, cpuSeconds } = real
  console.info(
    formatTable([
      [`${objects} objects`, '', 'wall s', 'share', 'CPU s', 'share', 'server CPU s'],
      ['prefetch', '', formatNumber(seconds), '', formatNumber(cpuSeconds), '', ''],
      ...shares.map((share) => [
        ...[share.name, 'idle worker', ...cells(share)],
        formatNumber(share.serverCpuSeconds),
      ]),
    ]),
  )
  return shares.flatMap(({ name, cost }) => {
    const { wall, cpu } = shareOf(cost, real)
    return Object.entries({ wall, cpu })
      .filter(([, share]) => !(share <= SHARE_MAX))
      .map(([what, share]) => `${name} takes ${percent(share)} of a prefetch's ${what} time`)
  })
}

function shareOf(cost: Cost, real: Cost): { readonly wall: number; readonly cpu: number } {
  return { wall: cost.seconds / real.seconds, cpu: cost.cpuSeconds / real.cpuSeconds }
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`
}
