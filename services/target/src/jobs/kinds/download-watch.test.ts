import { PlayedClock } from '@forebay/base/testing/played-clock'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { PROGRESS_BYTES_MIN, TransferWatch } from './download-watch.ts'

let clock: PlayedClock
let watch: TransferWatch

beforeEach(() => {
  clock = new PlayedClock()
  watch = new TransferWatch(clock, 'a file', { stallMs: 10_000, totalMs: 60_000 })
})

afterEach(() => watch.stop())

test('a server that brings nothing is given up', async () => {
  watch.wait()
  await clock.advance(9999)
  expect(watch.signal.aborted).toBe(false)
  await clock.advance(200)
  expect(watch.signal.reason).toMatchObject({ code: 'backend-timeout' })
})

test('a server that brings a byte a second is given up', async () => {
  watch.wait()
  for (let second = 0; second < 11; second++) {
    watch.received(1)
    await clock.advance(1000)
  }
  expect(watch.signal.aborted).toBe(true)
})

test('a server that brings just enough is waited for', async () => {
  watch.wait()
  for (let round = 0; round < 4; round++) {
    await clock.advance(9000)
    watch.received(PROGRESS_BYTES_MIN)
  }
  expect(watch.signal.aborted).toBe(false)
})

test('time in which the server waits for us is not its own', async () => {
  watch.wait()
  await clock.advance(9000)
  watch.pause()
  await clock.advance(30_000)
  expect(watch.signal.aborted).toBe(false)
  watch.wait()
  await clock.advance(900)
  expect(watch.signal.aborted).toBe(false)
  await clock.advance(300)
  expect(watch.signal.aborted).toBe(true)
})

test('what takes too long in all is given up however fast it is', async () => {
  watch.wait()
  for (let round = 0; round < 7; round++) {
    watch.received(PROGRESS_BYTES_MIN)
    await clock.advance(9000)
  }
  expect(watch.signal.reason).toMatchObject({ code: 'backend-timeout' })
})

test('a transfer that is over is given up no more', async () => {
  watch.wait()
  watch.stop()
  await clock.advance(100_000)
  expect(watch.signal.aborted).toBe(false)
})
