import { POLICY_KINDS, type PolicyKind } from '@forebay/model/bucket-properties'
import { runBelady } from './belady.ts'
import type { PolicyCost } from './cost.ts'
import type { HitRatio } from './hit-ratio.ts'
import { runPolicy } from './simulate.ts'
import { makeTraces, type TraceOptions } from './trace.ts'

export interface TraceResult {
  readonly name: string
  readonly shuffled: boolean
  readonly reads: number
  readonly optimum: HitRatio
  readonly policies: Readonly<Record<PolicyKind, HitRatio>>
}

/** A statement about the figures, and whether they bear it out. */
export interface Check {
  readonly what: string
  readonly value: number
  readonly bar: string
  readonly met: boolean
}

/** Traces on which s3-fifo may be worse than lru: none is known. */
const S3_FIFO_WORSE: readonly string[] = []

/** Share of the optimum's bytes that epoch must reach where a data set is shuffled. */
const EPOCH_SHARE_MIN = 0.95

const CALL_NS_MAX = 1000
const OBJECT_BYTES_MAX = 24

/** Plays every trace against every policy and the optimum. */
export function compareTraces(options: TraceOptions): readonly TraceResult[] {
  return makeTraces(options).map((trace) => ({
    name: trace.name,
    shuffled: trace.shuffled,
    reads: trace.reads.length,
    optimum: runBelady(trace),
    policies: {
      lru: runPolicy(trace, 'lru'),
      's3-fifo': runPolicy(trace, 's3-fifo'),
      sieve: runPolicy(trace, 'sieve'),
      epoch: runPolicy(trace, 'epoch'),
    },
  }))
}

export function checkTraces(results: readonly TraceResult[]): readonly Check[] {
  return results.flatMap(({ name, shuffled, optimum, policies }) => {
    const { lru, epoch, 's3-fifo': s3Fifo } = policies
    const checks: Check[] = POLICY_KINDS.map((kind) => ({
      what: `${name}: ${kind} of the optimum, bytes`,
      value: policies[kind].bytes / optimum.bytes,
      bar: '<= 1',
      met: policies[kind].bytes <= optimum.bytes,
    }))
    if (shuffled) {
      const share = epoch.bytes / optimum.bytes
      checks.push({
        what: `${name}: epoch of the optimum, bytes`,
        value: share,
        bar: `>= ${EPOCH_SHARE_MIN}`,
        met: share >= EPOCH_SHARE_MIN,
      })
    }
    if (S3_FIFO_WORSE.includes(name)) return checks
    const more = Math.min(s3Fifo.bytes - lru.bytes, s3Fifo.objects - lru.objects)
    return [
      ...checks,
      { what: `${name}: s3-fifo beyond lru`, value: more, bar: '>= 0', met: more >= 0 },
    ]
  })
}

export function checkCosts(costs: readonly PolicyCost[]): readonly Check[] {
  return costs.flatMap(({ kind, storedNs, touchedNs, choseNs, removedNs, bytesPerObject }) => {
    const value = (storedNs + touchedNs + choseNs + removedNs) / 4
    const met = value <= CALL_NS_MAX
    return [
      {
        what: `${kind}: a call, ns, over an object that comes, is read and goes`,
        value,
        bar: `<= ${CALL_NS_MAX}`,
        met,
      },
      checkBytes(kind, bytesPerObject),
    ]
  })
}

export function checkBytes(kind: PolicyKind, bytesPerObject: number): Check {
  return {
    what: `${kind}: bytes an object`,
    value: bytesPerObject,
    bar: `<= ${OBJECT_BYTES_MAX}`,
    met: bytesPerObject <= OBJECT_BYTES_MAX,
  }
}
