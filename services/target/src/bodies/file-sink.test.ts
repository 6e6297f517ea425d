import { afterEach, beforeEach, expect, test } from 'vitest'
import { DiskGate } from '../os/disk-gate.ts'
import {
  FileSink,
  QUEUED_SHARE_BYTES,
  QUEUED_TOTAL_BYTES_MAX,
  queuedBodyBytes,
} from './file-sink.ts'
import { Files } from './testing/body-server.ts'
import { WritePolicy } from './write-policy.ts'

const CHUNK = Buffer.alloc(64 * 1024)

let files: Files
beforeEach(() => {
  files = new Files()
})
afterEach(() => files.close())

/** A sink whose writes never get a place before `open` is called. */
function stuckSinks(count: number) {
  const gate = new DiskGate({ operationsMax: 1, waitersMax: 1_000_000 })
  let open = (): void => undefined
  const blocked = gate.run(() => new Promise<void>((resolve) => (open = resolve)), {
    patient: true,
  })
  const policy = new WritePolicy({
    readDirtyPages: () => ({ dirtyBytes: 2 ** 40, thresholdBytes: 1 }),
  })
  const sinks = Array.from(
    { length: count },
    () => new FileSink({ fd: files.with(Buffer.alloc(0)), policy, gate }),
  )
  return { sinks, blocked, open: () => open() }
}

test('many bodies together hold no more than the budget and a share for each', async () => {
  const { sinks, blocked, open } = stuckSinks(200)
  const pauses: Promise<void>[] = []
  for (const sink of sinks) {
    for (let taken = 0; taken < 1000; taken++) {
      const pause = sink.write(CHUNK)
      if (pause === undefined) continue
      pauses.push(pause)
      break
    }
  }
  expect(pauses).toHaveLength(sinks.length)
  const bound = QUEUED_TOTAL_BYTES_MAX + sinks.length * (QUEUED_SHARE_BYTES + CHUNK.length)
  expect(queuedBodyBytes()).toBeLessThanOrEqual(bound)
  open()
  await Promise.all([blocked, ...pauses, ...sinks.map((sink) => sink.flush())])
  expect(queuedBodyBytes()).toBe(0)
})

test('what a sink forgets is given back to the budget', async () => {
  const { sinks, blocked, open } = stuckSinks(1)
  for (const sink of sinks) for (let taken = 0; taken < 7; taken++) void sink.write(CHUNK)
  expect(queuedBodyBytes()).toBe(7 * CHUNK.length)
  open()
  await Promise.all([blocked, ...sinks.map((sink) => sink.settle())])
  expect(queuedBodyBytes()).toBe(0)
})
