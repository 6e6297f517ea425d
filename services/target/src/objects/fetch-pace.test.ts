import { expect, test } from 'vitest'
import { FetchPace, GAIN_MIN, HOLD_MS, WINDOW_MS } from './fetch-pace.ts'

const MIB = 1024 ** 2

/** A pace whose connections together bring what `rateOf` says of their number, bytes a second. */
class Play {
  now = 0
  busy = 0
  readonly pace: FetchPace
  readonly #rateOf: (connections: number) => number

  constructor(rateOf: (connections: number) => number, connectionsMax = 16) {
    this.#rateOf = rateOf
    this.pace = new FetchPace({
      connectionsMax,
      monotonic: () => this.now,
      busyShare: () => this.busy,
    })
  }

  /** The numbers of connections that were wanted, one after the other. */
  run(forMs: number, active?: number): readonly number[] {
    const targets = [this.pace.target]
    const stepMs = 10
    for (const end = this.now + forMs; this.now < end; this.now += stepMs) {
      const { target } = this.pace
      this.pace.note((this.#rateOf(target) * stepMs) / 1000, active ?? target)
      if (this.pace.target !== targets.at(-1)) targets.push(this.pace.target)
    }
    return targets
  }
}

test('connections are doubled as long as each brings as much as the first, up to the limit', () => {
  expect(new Play((count) => count * 25 * MIB).run(3000)).toEqual([1, 2, 4, 8, 16])
  expect(new Play((count) => count * 25 * MIB, 6).run(3000)).toEqual([1, 2, 4, 6])
})

test('a number that brings no more than half of it is taken back, and not tried again for a while', () => {
  const play = new Play((count) => Math.min(count, 4) * 25 * MIB)
  expect(play.run(HOLD_MS)).toEqual([1, 2, 4, 8, 4])
  expect(play.run(HOLD_MS)).toEqual([4, 8, 4])
  // The second time it takes twice as long.
  expect(play.run(HOLD_MS)).toEqual([4])
})

test.each([
  [GAIN_MIN + 0.01, 2],
  [GAIN_MIN - 0.01, 1],
])('twice the connections that bring %s times as much leave %s', (gain, count) => {
  const play = new Play((connections) => (connections === 1 ? 1 : gain) * 25 * MIB, 2)
  play.run(10 * WINDOW_MS)
  expect(play.pace.target).toBe(count)
})

test('one connection that is fast stays alone', () => {
  expect(new Play((count) => count * 201 * MIB).run(3000)).toEqual([1])
})

test('a busy event loop gets no further connections', () => {
  const play = new Play((count) => count * 25 * MIB)
  play.busy = 0.9
  expect(play.run(3000)).toEqual([1])
  play.busy = 0.5
  expect(play.run(WINDOW_MS * 1.5)).toEqual([1, 2])
})

test('a number is judged when all its connections bring bytes, or do not within a second', () => {
  const play = new Play((count) => count * 25 * MIB)
  play.run(WINDOW_MS + 10)
  expect(play.pace.target).toBe(2)
  expect(play.run(900, 1)).toEqual([2])
  // One second, and a window in which no more came than before.
  expect(new Play(() => 25 * MIB).run(WINDOW_MS * 3)).toEqual([1, 2, 1])
})

test('a refusal halves the connections, and holds them there', () => {
  const play = new Play((count) => count * 25 * MIB)
  play.run(3000)
  play.pace.refused()
  expect(play.pace.target).toBe(8)
  expect(play.run(HOLD_MS - 100)).toEqual([8])
  expect(play.run(1000)).toEqual([8, 16])
})

test('after a stop there is one connection for good', () => {
  const play = new Play((count) => count * 25 * MIB)
  play.run(3000)
  play.pace.stop()
  expect(play.run(100_000)).toEqual([1])
})
