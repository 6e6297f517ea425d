/**
 * What a backend owes when the connections to its store break, stall or are refused: a body is whole
 * or fails, a failed write says whether it may have been applied, and afterwards all is well again.
 * The store is a real one, the harm is done by toxiproxy.
 */
import assert from 'node:assert/strict'
import type { Backend } from '@forebay/backend-port/backend'
import type { ConformanceCase } from '@forebay/backend-port/conformance/case'
import {
  assertSameBytes,
  bodyOf,
  bytesNow,
  plainWrite,
  readFound,
  testBytes,
} from '@forebay/backend-port/conformance/case'
import { isUndecided } from '@forebay/backend-port/undecided'
import { withProgressTimeout } from '@forebay/backend-port/with-progress-timeout'
import { RETRY_DEFAULTS, withRetry } from '@forebay/backend-port/with-retry'
import { systemClock } from '@forebay/base/clock'
import { type FailureCode, isFailure } from '@forebay/base/failure'
import { startToxiproxy, type ToxicProxy } from '../testkit/toxiproxy.ts'

/** One kind of store. */
export interface BrokenConnectionsHarness {
  readonly writes: boolean
  /** Port of the store itself, which runs. */
  port(): number
  /** A backend of an empty bucket that reaches its store at `url`. */
  open(url: string): Promise<BrokenStore>
}

export interface BrokenStore {
  readonly backend: Backend
  /** Writes to the bucket past proxy and backend. */
  put(key: string, bytes: Buffer): Promise<void>
  close(): Promise<void>
}

interface World extends BrokenStore {
  readonly proxy: ToxicProxy
}

interface Scenario {
  readonly title: string
  play(world: World): Promise<void>
}

const BYTES = testBytes(2 * 1024 ** 2 + 11)
const OTHER = testBytes(2 * 1024 ** 2 + 11, 2)
/** Somewhere in the middle of a body. */
const CUT_BYTES = 700_000
const DEADLINES = { answerMs: 300, chunkMs: 300, clock: systemClock }
/** Longer than any deadline here; toxiproxy's own `timeout` passes on that the store closed. */
const SILENCE = { type: 'latency', attributes: { latency: 60_000 } } as const
const { signal } = new AbortController()

/** The cases for this store; each has a bucket and a proxy of its own. */
export function brokenConnectionCases(
  harness: BrokenConnectionsHarness,
): readonly ConformanceCase[] {
  const scenarios = harness.writes ? [...READS, ...WRITES] : READS
  return scenarios.map(({ title, play }) => ({ title, run: () => runIn(harness, play) }))
}

async function runIn(harness: BrokenConnectionsHarness, play: Scenario['play']): Promise<void> {
  const proxy = await startToxiproxy(harness.port())
  try {
    const store = await harness.open(proxy.url)
    try {
      await store.put('k', BYTES)
      await play({ ...store, proxy })
    } finally {
      await store.close()
    }
  } finally {
    await proxy.stop()
  }
}

const OPERATIONS = ['read', 'head', 'list', 'headBucket'] as const

const READS: readonly Scenario[] = [
  {
    title: 'a slow connection with delays brings the whole object',
    async play({ backend, proxy }) {
      await proxy.poison('downstream', { type: 'latency', attributes: { latency: 20 } })
      await proxy.poison('downstream', { type: 'bandwidth', attributes: { rate: 20_000 } })
      assertSameBytes(await bytesNow(backend, 'k'), BYTES)
    },
  },
  {
    title: 'a body that is cut fails, and the next read has it whole',
    async play({ backend, proxy }) {
      await proxy.poison('downstream', { type: 'limit_data', attributes: { bytes: CUT_BYTES } })
      const found = await readFound(backend, { key: 'k' })
      let pumpedBytes = 0
      const pumped = found.body.pump((chunk) => {
        pumpedBytes += chunk.length
      })
      await failureOf(pumped, 'backend-unreachable')
      assert(pumpedBytes > 0 && pumpedBytes <= CUT_BYTES)
      await proxy.heal()
      assertSameBytes(await bytesNow(backend, 'k'), BYTES)
    },
  },
  ...OPERATIONS.map((operation) => ({
    title: `a connection that is reset fails ${operation} as unreachable, and a retry succeeds`,
    async play({ backend, proxy }: World) {
      await proxy.poison('downstream', { type: 'reset_peer', attributes: { timeout: 0 } })
      await failureOf(ask(backend, operation), 'backend-unreachable')
      let waitCount = 0
      const patient = withRetry(backend, {
        ...RETRY_DEFAULTS,
        clock: {
          ...systemClock,
          async sleep() {
            waitCount += 1
            await proxy.heal()
          },
        },
        random: () => 0.5,
      })
      await ask(patient, operation)
      assert.equal(waitCount, 1)
    },
  })),
  ...OPERATIONS.map((operation) => ({
    title: `an answer to ${operation} that does not come ends with its deadline`,
    async play({ backend, proxy }: World) {
      await proxy.poison('downstream', SILENCE)
      const timed = withProgressTimeout(backend, DEADLINES)
      await failureOf(ask(timed, operation), 'backend-timeout')
    },
  })),
  {
    title: 'a body that stalls ends with its deadline',
    async play({ backend, proxy }) {
      await proxy.poison('downstream', { type: 'bandwidth', attributes: { rate: 1000 } })
      const found = await readFound(withProgressTimeout(backend, DEADLINES), { key: 'k' })
      let pumpedBytes = 0
      const pumped = found.body.pump((chunk) => {
        pumpedBytes += chunk.length
        return pumpedBytes === chunk.length ? proxy.poison('downstream', SILENCE) : undefined
      })
      await failureOf(pumped, 'backend-timeout')
      assert(pumpedBytes > 0 && pumpedBytes < BYTES.length)
    },
  },
  {
    title: 'connections that are refused are told as unreachable, and later ones are taken',
    async play({ backend, proxy }) {
      await proxy.setEnabled(false)
      for (const operation of OPERATIONS) {
        await failureOf(ask(backend, operation), 'backend-unreachable')
      }
      await proxy.setEnabled(true)
      assertSameBytes(await bytesNow(backend, 'k'), BYTES)
    },
  },
]

const WRITES: readonly Scenario[] = [
  {
    title: 'an upload that is cut leaves the old version, and nobody claims to know',
    async play({ backend, proxy }) {
      await proxy.poison('upstream', { type: 'limit_data', attributes: { bytes: CUT_BYTES } })
      const error = await failureOf(write(backend), 'backend-unreachable')
      assert(isUndecided(error))
      await proxy.heal()
      assertSameBytes(await bytesNow(backend, 'k'), BYTES)
    },
  },
  {
    title: 'a write whose answer is lost may have been applied',
    async play({ backend, proxy }) {
      await proxy.poison('downstream', SILENCE)
      const error = await failureOf(
        write(withProgressTimeout(backend, DEADLINES)),
        'backend-timeout',
      )
      assert(isUndecided(error))
      await proxy.heal()
      const bytes = await bytesNow(backend, 'k')
      assertSameBytes(bytes, bytes?.equals(BYTES) === true ? BYTES : OTHER)
    },
  },
  {
    title: 'a write that no connection was had for was not applied',
    async play({ backend, proxy }) {
      await proxy.setEnabled(false)
      const error = await failureOf(write(backend), 'backend-unreachable')
      assert(!isUndecided(error))
      await proxy.setEnabled(true)
      assertSameBytes(await bytesNow(backend, 'k'), BYTES)
      await write(backend)
      assertSameBytes(await bytesNow(backend, 'k'), OTHER)
    },
  },
]

async function ask(backend: Backend, operation: (typeof OPERATIONS)[number]): Promise<void> {
  switch (operation) {
    case 'read': {
      const found = await readFound(backend, { key: 'k' })
      found.body.discard()
      return
    }
    case 'head':
      await backend.head({ key: 'k', signal })
      return
    case 'list':
      await backend.list({ prefix: '', pageMax: 10, signal })
      return
    case 'headBucket':
      await backend.headBucket({ signal })
      return
    default:
      operation satisfies never
  }
}

async function write(backend: Backend): Promise<void> {
  assert(backend.mutations !== undefined)
  await backend.mutations.write(plainWrite('k'), bodyOf(OTHER))
}

/** The failure that work ends with; anything else fails the case. */
async function failureOf(work: Promise<unknown>, code: FailureCode): Promise<unknown> {
  const error: unknown = await work.then(
    () => 'success',
    (thrown: unknown) => thrown,
  )
  assert(isFailure(error, code), `wanted ${code}, got ${String(error)}`)
  return error
}
