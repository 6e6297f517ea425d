import { Failure, type FailureCode } from '@forebay/base/failure'
import { PlayedClock } from '@forebay/base/testing/played-clock'
import { beforeEach, expect, test } from 'vitest'
import {
  CIRCUIT_DEFAULTS,
  Circuit,
  type CircuitState,
  isRefusedByCircuit,
  type Passage,
} from './circuit.ts'

/** A played clock that lets everything run that follows. */
class TurningClock extends PlayedClock {
  constructor() {
    super({ now: 1000, monotonic: 1000 })
  }

  async pass(ms: number): Promise<void> {
    this.jump(ms)
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  }
}

const { failuresMin, failingForMs, silentForMs, pauseMs, pauseMaxMs, rampMax, rampFailuresMax } =
  CIRCUIT_DEFAULTS

let clock: TurningClock
let circuit: Circuit
let states: CircuitState[]
let probes: { answer(): void; fail(code: FailureCode): void; readonly signal: AbortSignal }[]

beforeEach(() => {
  clock = new TurningClock()
  states = []
  probes = []
  circuit = new Circuit('s3://b', {
    ...CIRCUIT_DEFAULTS,
    clock,
    random: () => 1,
    onChange: (state) => void states.push(state),
    probe: (signal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
        probes.push({
          signal,
          answer: () => resolve(undefined),
          fail: (code) => reject(new Failure(code, 'still away')),
        })
      }),
  })
})

const down = (): Failure => new Failure('backend-unreachable', 'ECONNREFUSED')

const enter = (cut?: (reason: Failure) => void): Passage =>
  circuit.enter({ answersSoon: true, ...(cut === undefined ? {} : { cut }) })

/** Fails requests one after another, evenly over `overMs`. */
async function failFor(count: number, overMs: number, error: unknown = down()): Promise<void> {
  for (let at = 0; at < count; at++) {
    const passage = enter()
    await clock.pass(overMs / count)
    passage.end(error)
  }
}

/** Opens it and brings it to the moment in which the store has answered a probe. */
async function comeBack(): Promise<void> {
  await failFor(failuresMin, failingForMs)
  await clock.pass(pauseMs)
  expect(() => enter()).toThrow()
  probes[0]?.answer()
  await clock.pass(0)
}

test('it opens after so many failures over so long, not one earlier', async () => {
  await failFor(failuresMin - 1, failingForMs)
  expect(circuit.state).toBe('closed')
  await failFor(1, 0)
  expect(circuit.state).toBe('open')
})

test('connections that all break at once open nothing', async () => {
  const passages = Array.from({ length: 100 }, () => enter())
  await clock.pass(failingForMs - 1)
  for (const passage of passages) passage.end(down())
  expect(circuit.state).toBe('closed')
})

test('requests that hang until their time is over open it, although none began after another', async () => {
  const passages = Array.from({ length: failuresMin }, () => enter())
  await clock.pass(30_000)
  for (const passage of passages) passage.end(new Failure('backend-timeout', 'no answer'))
  expect(circuit.state).toBe('open')
})

test('requests that wait together without any answer open it, and who can do without is told', async () => {
  const reasons: Failure[] = []
  for (let at = 0; at < failuresMin; at++) enter((reason) => void reasons.push(reason))
  await clock.pass(silentForMs - 1)
  enter().end(new Failure('slow-down', 'a limit of ours'))
  expect(circuit.state).toBe('closed')
  await clock.pass(1)
  expect(() => enter()).toThrow('is not asked')
  expect(circuit.state).toBe('open')
  expect(reasons.map(isRefusedByCircuit)).toEqual(Array(failuresMin).fill(true))
})

test('a slow answer is no silence while others come', async () => {
  for (let at = 0; at < failuresMin; at++) enter()
  await clock.pass(silentForMs - 1)
  enter().end()
  await clock.pass(silentForMs - 1)
  enter().end()
  expect(circuit.state).toBe('closed')
})

test('uploads, and fewer requests than that, may wait for as long as they want', async () => {
  for (let at = 0; at < 100; at++) circuit.enter({ answersSoon: false })
  for (let at = 0; at < failuresMin - 1; at++) enter()
  await clock.pass(10 * silentForMs)
  enter().end()
  expect(circuit.state).toBe('closed')
})

test.each([
  ['an answer', undefined],
  ['a refusal by the store', new Failure('backend-denied', '403')],
  [
    'a body that the store waited for in vain',
    new Failure('backend-timeout', 'RequestTimeout', { facts: { backendStatus: 400 } }),
  ],
])('%s in between shows that the store is there', async (_, answer) => {
  await failFor(failuresMin - 1, failingForMs)
  enter().end(answer)
  await failFor(failuresMin - 1, failingForMs)
  expect(circuit.state).toBe('closed')
})

test.each([
  ['a limit of ours', new Failure('slow-down', 'the cap is reached')],
  ['a caller who left', new DOMException('left', 'AbortError')],
])('%s shows nothing about the store', async (_, error) => {
  await failFor(failuresMin - 1, failingForMs)
  enter().end(error)
  await failFor(1, 1)
  expect(circuit.state).toBe('open')
})

test('while it is open requests are refused at once, with when to come again and why', async () => {
  await failFor(failuresMin, failingForMs)
  const refused = (): unknown => {
    try {
      return enter()
    } catch (error) {
      return error
    }
  }
  expect(refused()).toMatchObject({ code: 'backend-unreachable', retryAfterSeconds: 1 })
  expect(refused()).toMatchObject({ cause: { message: 'ECONNREFUSED' } })
  expect(isRefusedByCircuit(refused())).toBe(true)
  expect(() => circuit.refuseIfOpen()).toThrow('is not asked')
})

test('a store that throttles everybody is refused as throttled', async () => {
  await failFor(failuresMin, failingForMs, new Failure('backend-throttled', '503 SlowDown'))
  expect(() => enter()).toThrow(expect.objectContaining({ code: 'backend-throttled' }))
})

test('the store is asked by one probe at a time, when somebody wants something, ever less often', async () => {
  await failFor(failuresMin, failingForMs)
  let waitMs: number = pauseMs
  for (let round = 0; round < 6; round++) {
    await clock.pass(waitMs - 1)
    expect(() => enter()).toThrow()
    expect(probes).toHaveLength(round)
    await clock.pass(1)
    expect(probes).toHaveLength(round)
    for (let asker = 0; asker < 50; asker++) expect(() => circuit.refuseIfOpen()).toThrow()
    expect(probes).toHaveLength(round + 1)
    probes[round]?.fail('backend-unreachable')
    await clock.pass(0)
    waitMs = Math.min(pauseMaxMs, waitMs * 2)
  }
  expect(circuit.state).toBe('open')
})

test('a probe that hangs is given up, and another follows', async () => {
  await failFor(failuresMin, failingForMs)
  await clock.pass(pauseMs)
  expect(() => enter()).toThrow()
  await clock.pass(CIRCUIT_DEFAULTS.probeTimeoutMs)
  expect(probes[0]?.signal.aborted).toBe(true)
  await clock.pass(pauseMaxMs)
  expect(() => enter()).toThrow()
  expect(probes).toHaveLength(2)
})

test('any answer to a probe will do', async () => {
  await failFor(failuresMin, failingForMs)
  await clock.pass(pauseMs)
  expect(() => enter()).toThrow()
  probes[0]?.fail('backend-denied')
  await clock.pass(0)
  expect(circuit.state).toBe('ramp')
})

test('after an outage requests come back a few at a time, then all', async () => {
  await comeBack()
  let running = [enter()]
  expect(() => enter()).toThrow('is not asked')
  const widths: number[] = []
  while (circuit.state === 'ramp') {
    widths.push(running.length)
    for (const passage of running) passage.end()
    running = []
    while (circuit.state === 'ramp' && running.length < 1000) {
      try {
        running.push(enter())
      } catch {
        break
      }
    }
  }
  expect(widths).toEqual([1, 2, 4, 8, 16, rampMax])
  expect(states).toEqual(['open', 'ramp', 'closed'])
})

test('a failure on the way back halves the few, and several in a row open it for longer', async () => {
  await comeBack()
  for (let at = 0; at < 3; at++) enter().end()
  enter().end(down())
  const held = [enter(), enter()]
  expect(() => enter()).toThrow()
  for (const passage of held) passage.end()
  for (let at = 0; at < rampFailuresMax; at++) enter().end(down())
  expect(states).toEqual(['open', 'ramp', 'open'])
  await clock.pass(2 * pauseMs - 1)
  expect(() => enter()).toThrow()
  expect(probes).toHaveLength(1)
  await clock.pass(1)
  expect(() => enter()).toThrow()
  expect(probes).toHaveLength(2)
})

test('what was let through before a change counts no more', async () => {
  const old = enter()
  await comeBack()
  old.end(down())
  enter().end()
  expect(circuit.state).toBe('ramp')
  expect(circuit.downForMs).toBeGreaterThan(0)
})

test('a request that takes long on the way back does not keep the others out', async () => {
  await comeBack()
  const slow = circuit.enter({ answersSoon: false })
  await clock.pass(silentForMs - 1)
  expect(() => enter()).toThrow('is not asked')
  await clock.pass(1)
  for (let at = 0; circuit.state === 'ramp' && at < 100; at++) enter().end()
  slow.end()
  expect(states).toEqual(['open', 'ramp', 'closed'])
})

test('requests that still hang from before an outage make no new one', async () => {
  for (let at = 0; at < failuresMin; at++) enter()
  await clock.pass(silentForMs)
  expect(() => enter()).toThrow('is not asked')
  await clock.pass(pauseMs)
  expect(() => enter()).toThrow('is not asked')
  probes[0]?.answer()
  await clock.pass(0)
  while (circuit.state === 'ramp') enter().end()
  await clock.pass(silentForMs)
  enter().end()
  expect(states).toEqual(['open', 'ramp', 'closed'])
})

test('a probe that does not even heed its signal holds up no other', async () => {
  let probeCount = 0
  const deaf = new Circuit('s3://deaf', {
    ...CIRCUIT_DEFAULTS,
    clock,
    random: () => 1,
    probe: () => {
      probeCount += 1
      return new Promise(() => undefined)
    },
  })
  for (let at = 0; at < failuresMin; at++) {
    const passage = deaf.enter({ answersSoon: true })
    await clock.pass(failingForMs / failuresMin)
    passage.end(down())
  }
  for (let round = 1; round <= 3; round++) {
    await clock.pass(pauseMaxMs)
    expect(() => deaf.refuseIfOpen()).toThrow('is not asked')
    expect(probeCount).toBe(round)
    await clock.pass(CIRCUIT_DEFAULTS.probeTimeoutMs)
  }
})

test('it tells how long nothing was wanted of the store, so that what nobody asks for is no trouble', async () => {
  await clock.pass(500)
  enter().end()
  await clock.pass(60_000)
  expect(circuit.idleForMs).toBe(60_000)
  for (let at = 0; at < failuresMin; at++) {
    const passage = enter()
    await clock.pass(failingForMs / failuresMin)
    passage.end(down())
  }
  await clock.pass(60_000)
  expect(circuit.idleForMs).toBeGreaterThanOrEqual(60_000)
  // Who is refused wants something, too.
  expect(() => circuit.refuseIfOpen()).toThrow('is not asked')
  expect(circuit.idleForMs).toBe(0)
})
