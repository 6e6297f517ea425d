import type { Backend } from '@forebay/backend-port/backend'
import { COMPOSITION_DEFAULTS, composeBackend } from '@forebay/backend-port/compose'
import { conformanceCases } from '@forebay/backend-port/conformance'
import { bodyOf, plainWrite } from '@forebay/backend-port/conformance/case'
import { Spending } from '@forebay/backend-port/spending'
import { withCaps } from '@forebay/backend-port/with-caps'
import { withConcurrencyLimit } from '@forebay/backend-port/with-concurrency-limit'
import { type MeteredRequest, withMeter } from '@forebay/backend-port/with-meter'
import { withProgressTimeout } from '@forebay/backend-port/with-progress-timeout'
import { RETRY_DEFAULTS, withRetry } from '@forebay/backend-port/with-retry'
import { type Clock, systemClock } from '@forebay/base/clock'
import { PlayedClock } from '@forebay/base/testing/played-clock'
import { beforeEach, describe, expect, test } from 'vitest'
import { createMemoryBackend, MEMORY_CAPABILITIES } from './memory-backend.ts'
import { MemoryStore } from './memory-store.ts'

const { signal } = new AbortController()

/** Time passes only by sleeping, at once; what was slept is remembered. */
function jumpingClock(): Clock & { readonly sleeps: number[] } {
  let nowMs = 1_000_000
  const sleeps: number[] = []
  return {
    sleeps,
    now: () => nowMs,
    monotonic: () => nowMs,
    async sleep(ms) {
      sleeps.push(ms)
      nowMs += ms
    },
  }
}

let store: MemoryStore
let backend: Backend

beforeEach(() => {
  store = new MemoryStore({ partBytesMin: 1000 })
  store.createBucket('b')
  store.put('b', 'k', Buffer.alloc(200_000, 7))
  backend = createMemoryBackend(store, 'b')
})

async function pumpAll(from: Backend): Promise<number> {
  const result = await from.read({ key: 'k', signal })
  if (result.kind !== 'found') throw new Error(result.kind)
  let bytes = 0
  await result.body.pump((chunk) => {
    bytes += chunk.length
  })
  return bytes
}

function mutations(of: Backend): NonNullable<Backend['mutations']> {
  if (of.mutations === undefined) throw new Error('no mutations')
  return of.mutations
}

describe('a composed backend keeps every promise of the port', () => {
  const compose = (inner: Backend): Backend =>
    composeBackend(inner, {
      ...COMPOSITION_DEFAULTS,
      retry: RETRY_DEFAULTS,
      observe: () => undefined,
      clock: systemClock,
      random: Math.random,
    })
  const cases = conformanceCases({
    tagging: true,
    capabilities: MEMORY_CAPABILITIES,
    partBytesMin: 1000,
    async open() {
      const shared = new MemoryStore({ partBytesMin: 1000 })
      shared.createBucket('b')
      return {
        backend: compose(createMemoryBackend(shared, 'b')),
        missing: compose(createMemoryBackend(shared, 'no-such-bucket')),
        bucket: 'b',
        put: async (key, bytes) => void shared.put('b', key, bytes),
        remove: async (key) => shared.delete('b', key),
        close: async () => undefined,
      }
    },
  })
  for (const { title, run } of cases) test(title, run)
})

describe('retry', () => {
  const options = { ...RETRY_DEFAULTS, random: () => 0.5 }

  test('a read that fails for the moment is repeated, after waits that double', async () => {
    const clock = jumpingClock()
    const code = 'backend-unreachable'
    store.addFault({ action: { kind: 'refuse', code }, on: ['read'], times: 2 })
    expect(await pumpAll(withRetry(backend, { ...options, clock }))).toBe(200_000)
    expect(store.requestCount('read')).toBe(3)
    expect(clock.sleeps).toEqual([25, 50])
  })

  test('the wait that the store asks for is kept, up to the bound', async () => {
    const clock = jumpingClock()
    for (const retryAfterSeconds of [2, 60]) {
      const code = 'backend-throttled'
      store.addFault({ action: { kind: 'refuse', code, retryAfterSeconds }, on: ['read'] })
      await pumpAll(withRetry(backend, { ...options, clock }))
    }
    expect(clock.sleeps).toEqual([2000, 5000])
  })

  test('after the last attempt the failure is the caller’s', async () => {
    const clock = jumpingClock()
    store.addFault({ action: { kind: 'refuse', code: 'backend-timeout' }, times: 100 })
    const retried = withRetry(backend, { ...options, clock })
    await expect(retried.head({ key: 'k', signal })).rejects.toMatchObject({
      code: 'backend-timeout',
    })
    expect(store.requestCount('head')).toBe(4)
  })

  test('a store that is down gets at most a tenth more requests', async () => {
    const clock = jumpingClock()
    store.addFault({ action: { kind: 'refuse', code: 'backend-unreachable' }, times: 10_000 })
    let retries = 0
    const onRetry = (): void => {
      retries += 1
    }
    const retried = withRetry(backend, { ...options, clock, onRetry })
    for (let round = 0; round < 200; round++) {
      await retried.head({ key: 'k', signal }).catch(() => undefined)
    }
    expect(retries).toBe(store.requestCount('head') - 200)
    // 10 saved up, and a tenth of 200.
    expect(store.requestCount('head')).toBeLessThanOrEqual(200 + 10 + 20)
    expect(store.requestCount('head')).toBeGreaterThan(220)
  })

  test('who has waited for an answer that did not come in time does not wait again', async () => {
    const clock = jumpingClock()
    const slow: Backend = {
      ...backend,
      head: async (call) => {
        await clock.sleep(RETRY_DEFAULTS.elapsedMaxMs)
        return backend.head(call)
      },
    }
    store.addFault({ action: { kind: 'refuse', code: 'backend-timeout' }, times: 100 })
    const retried = withRetry(slow, { ...options, clock })
    await expect(retried.head({ key: 'k', signal })).rejects.toThrow()
    expect(store.requestCount('head')).toBe(1)
  })

  test('a definite refusal is not repeated', async () => {
    const clock = jumpingClock()
    store.addFault({ action: { kind: 'refuse', code: 'backend-denied' } })
    const read = withRetry(backend, { ...options, clock }).read({ key: 'k', signal })
    await expect(read).rejects.toMatchObject({ code: 'backend-denied' })
    expect(store.requestCount('read')).toBe(1)
  })

  test('a write that may have been applied is not repeated', async () => {
    const clock = jumpingClock()
    store.addFault({ action: { kind: 'drop-answer' }, on: ['write'] })
    const write = mutations(withRetry(backend, { ...options, clock })).write(
      plainWrite('k'),
      bodyOf(Buffer.from('x')),
    )
    await expect(write).rejects.toMatchObject({ code: 'backend-unreachable' })
    expect(store.requestCount('write')).toBe(1)
  })

  test.each([
    { repeatable: true, requests: 2 },
    { repeatable: false, requests: 1 },
  ])('a throttled write is repeated if its body can be: $repeatable', async (row) => {
    const clock = jumpingClock()
    store.addFault({ action: { kind: 'refuse', code: 'backend-throttled' }, on: ['write'] })
    const body = { ...bodyOf(Buffer.from('x')), repeatable: row.repeatable }
    const retried = mutations(withRetry(backend, { ...options, clock }))
    await retried.write(plainWrite('k'), body).catch(() => undefined)
    expect(store.requestCount('write')).toBe(row.requests)
  })
})

describe('concurrency limit', () => {
  test('a read holds its turn until its body ended; others wait, then run', async () => {
    const limited = withConcurrencyLimit(backend, { requestsMax: 1, waitersMax: 1 })
    const first = await limited.read({ key: 'k', signal })
    const second = limited.head({ key: 'k', signal })
    await expect(limited.head({ key: 'k', signal })).rejects.toMatchObject({ code: 'slow-down' })
    expect(store.requestCount('head')).toBe(0)
    if (first.kind === 'found') first.body.discard()
    expect((await second).kind).toBe('found')
  })

  test('a waiter whose caller leaves frees its place in the queue', async () => {
    const limited = withConcurrencyLimit(backend, { requestsMax: 1, waitersMax: 1 })
    const first = await limited.read({ key: 'k', signal })
    const leaving = new AbortController()
    const waiter = limited.head({ key: 'k', signal: leaving.signal })
    leaving.abort(new Error('left'))
    await expect(waiter).rejects.toThrow('left')
    const next = limited.head({ key: 'k', signal })
    if (first.kind === 'found') await first.body.pump(() => undefined)
    expect((await next).kind).toBe('found')
    expect(store.requestCount('head')).toBe(1)
  })

  test('a failure gives the turn back', async () => {
    const limited = withConcurrencyLimit(backend, { requestsMax: 1, waitersMax: 0 })
    store.addFault({ action: { kind: 'refuse', code: 'backend-denied' }, times: 2 })
    await expect(limited.read({ key: 'k', signal })).rejects.toThrow()
    await expect(limited.head({ key: 'k', signal })).rejects.toThrow()
    expect(await pumpAll(limited)).toBe(200_000)
  })
})

describe('progress timeout', () => {
  test.each(['read', 'head', 'list'] as const)(
    'a %s that hangs fails in time',
    async (operation) => {
      store.addFault({ action: { kind: 'hang' } })
      const timed = withProgressTimeout(backend, { answerMs: 20, chunkMs: 20, clock: systemClock })
      const requests = {
        read: () => timed.read({ key: 'k', signal }),
        head: () => timed.head({ key: 'k', signal }),
        list: () => timed.list({ prefix: '', pageMax: 1, signal }),
      }
      await expect(requests[operation]()).rejects.toMatchObject({ code: 'backend-timeout' })
    },
  )

  test('time in which the reader or the source is slow does not count', async () => {
    const timed = withProgressTimeout(backend, { answerMs: 40, chunkMs: 40, clock: systemClock })
    const result = await timed.read({ key: 'k', signal })
    if (result.kind !== 'found') throw new Error(result.kind)
    await systemClock.sleep(80)
    await result.body.pump(() => systemClock.sleep(80))
    const body = {
      lengthBytes: 2,
      repeatable: false,
      async *chunks() {
        yield Buffer.from('a')
        await systemClock.sleep(80)
        yield Buffer.from('b')
      },
    }
    await mutations(timed).write(plainWrite('w'), body)
    expect(store.bytes('b', 'w')).toEqual(Buffer.from('ab'))
  })
})

describe('progress timeouts that share a clock', () => {
  const clock = new PlayedClock()
  const hangs = { action: { kind: 'hang' } } as const
  /** What became of a read, told when it ends. */
  const ending = (timed: Backend, outer = signal): Promise<unknown> =>
    timed.read({ key: 'k', signal: outer }).catch((error: unknown) => error)

  test('each request ends at its own time, whatever ended before it', async () => {
    const timed = withProgressTimeout(backend, { answerMs: 1000, chunkMs: 500, clock })
    expect(await pumpAll(timed)).toBe(200_000)
    store.addFault({ ...hangs, times: 3 })
    const ended: string[] = []
    const late = ending(timed).then(() => ended.push('first'))
    await clock.advance(600)
    const later = ending(timed).then(() => ended.push('second'))
    const leaving = new AbortController()
    const left = ending(timed, leaving.signal)
    leaving.abort(new Error('left'))
    expect(await left).toMatchObject({ message: 'left' })
    await clock.advance(399)
    expect(ended).toEqual([])
    await clock.advance(1)
    await late
    await clock.advance(599)
    expect(ended).toEqual(['first'])
    await clock.advance(1)
    await later
    expect(ended).toEqual(['first', 'second'])
  })

  test('a closed backend keeps no timer', async () => {
    let sleeping = 0
    const counting: Clock = {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      sleep: (ms, until) => {
        sleeping += 1
        return clock.sleep(ms, until).finally(() => {
          sleeping -= 1
        })
      },
    }
    const timed = withProgressTimeout(backend, { answerMs: 1000, chunkMs: 500, clock: counting })
    for (let n = 0; n < 5; n++) await pumpAll(timed)
    expect(sleeping).toBe(1)
    await timed.close()
    await expect.poll(() => sleeping).toBe(0)
  })
})

describe('caps', () => {
  test('requests beyond the rate wait, and are refused when they would wait too long', async () => {
    const clock = jumpingClock()
    const capped = withCaps(backend, { requestsPerSecond: 2, waitMaxMs: 600, clock })
    for (let at = 0; at < 4; at++) await capped.head({ key: 'k', signal })
    expect(clock.sleeps).toEqual([500])
    const slow = withCaps(backend, { requestsPerSecond: 1, waitMaxMs: 500, clock })
    await slow.head({ key: 'k', signal })
    await slow.head({ key: 'k', signal })
    await expect(slow.head({ key: 'k', signal })).rejects.toMatchObject({ code: 'slow-down' })
  })

  test('a body flows no faster than the rate', async () => {
    const clock = jumpingClock()
    const capped = withCaps(backend, { bytesPerSecond: 50_000, waitMaxMs: 0, clock })
    const startMs = clock.monotonic()
    expect(await pumpAll(capped)).toBe(200_000)
    // A second's worth may go at once, and the last chunk is booked after it went.
    expect(clock.monotonic() - startMs).toBeGreaterThanOrEqual(2500)
  })

  test('requests are paid for, and what the purse refuses never reaches the store', async () => {
    const clock = jumpingClock()
    const prices = { getPerMillion: 1e6, putPerMillion: 0, listPerMillion: 0, egressPerGiB: 1 }
    const budget = { softPerDay: 0, hardPerDay: 3.5 }
    const purse = new Spending({ name: 'aws', prices, budget, clock })
    const capped = withCaps(backend, { purse, waitMaxMs: 0, clock })
    for (let at = 0; at < 2; at++) await capped.head({ key: 'k', signal })
    await pumpAll(capped)
    await expect(capped.head({ key: 'k', signal })).rejects.toMatchObject({ code: 'budget-spent' })
    expect([store.requestCount('head'), store.requestCount('read')]).toEqual([2, 1])
    expect(purse.spent).toMatchObject({ get: 3, egress: 200_000 / 1024 ** 3 })
  })
})

test('a store that is away gets no requests until it answers a probe, and then all is as before', async () => {
  const clock = jumpingClock()
  const composed = composeBackend(backend, {
    ...COMPOSITION_DEFAULTS,
    retry: { ...RETRY_DEFAULTS, attemptsMax: 1 },
    observe: () => undefined,
    // No time passes but what the test lets pass.
    clock: { ...clock, sleep: () => new Promise(() => undefined) },
    random: () => 1,
  })
  const down = { action: { kind: 'refuse', code: 'backend-unreachable' }, times: 1000 } as const
  store.addFault(down)
  for (let at = 0; at < 5; at++) {
    await composed.head({ key: 'k', signal }).catch(() => clock.sleep(300))
  }
  const requests = store.requestCount('head')
  for (let at = 0; at < 100; at++) {
    await expect(composed.head({ key: 'k', signal })).rejects.toMatchObject({
      code: 'backend-unreachable',
      retryAfterSeconds: 1,
    })
  }
  expect(store.requestCount('head')).toBe(requests)
  store.clearFaults()
  await clock.sleep(1000)
  await expect(composed.head({ key: 'k', signal })).rejects.toThrow()
  await expect
    .poll(() => composed.head({ key: 'k', signal }).catch(String))
    .toMatchObject({
      kind: 'found',
    })
})

test('the meter tells of every request once, with its outcome and its bytes', async () => {
  const seen: MeteredRequest[] = []
  const clock = jumpingClock()
  const metered = withMeter(backend, { clock, observe: (request) => void seen.push(request) })
  await pumpAll(metered)
  await metered.read({ key: 'absent', signal })
  await mutations(metered).write(plainWrite('w'), bodyOf(Buffer.alloc(100)))
  store.addFault({ action: { kind: 'cut-body', afterBytes: 1000 }, on: ['read'] })
  await expect(pumpAll(metered)).rejects.toThrow()
  const told = seen.map(({ operation, outcome, bytesRead, bytesWritten }) => [
    operation,
    outcome,
    bytesRead,
    bytesWritten,
  ])
  expect(told).toEqual([
    ['read', 'found', 200_000, 0],
    ['read', 'absent', 0, 0],
    ['write', 'ok', 0, 100],
    ['read', 'backend-unreachable', 1000, 0],
  ])
})
