/** The thread at the far end of a ring: MD5 of many streams, slot after slot. */
import { createHash, type Hash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import {
  CONSUMED,
  headAt,
  KIND_ABANDON,
  KIND_DATA,
  KIND_FINISH,
  RING_SLOT_BYTES,
  ROOM_WANTED,
  slotOf,
  viewRing,
  type WorkerMessage,
  WRITTEN,
} from './hash-ring.ts'

const ring = viewRing(workerData)
const streams = new Map<number, Hash>()

let consumed = 0
for (;;) {
  work(slotOf(consumed))
  consumed = (consumed + 1) | 0
  Atomics.store(ring.control, CONSUMED, consumed)
  if (Atomics.exchange(ring.control, ROOM_WANTED, 0) === 1) post({ kind: 'room' })
}

/** Waits until the slot is filled and does what it says. The thread ends by `terminate` only. */
function work(slot: number): void {
  while (Atomics.load(ring.control, WRITTEN) === consumed) {
    Atomics.wait(ring.control, WRITTEN, consumed)
  }
  const head = headAt(slot)
  const stream = ring.heads[head + 1] ?? 0
  switch (ring.heads[head]) {
    case KIND_DATA: {
      const start = slot * RING_SLOT_BYTES
      hashOf(stream).update(ring.bytes.subarray(start, start + (ring.heads[head + 2] ?? 0)))
      return
    }
    case KIND_FINISH:
      post({ kind: 'digest', stream, hex: hashOf(stream).digest('hex') })
      streams.delete(stream)
      return
    case KIND_ABANDON:
      streams.delete(stream)
      return
    default:
      throw new Error(`unknown kind ${ring.heads[head]} in slot ${slot}`)
  }
}

function hashOf(stream: number): Hash {
  let hash = streams.get(stream)
  if (hash === undefined) {
    hash = createHash('md5')
    streams.set(stream, hash)
  }
  return hash
}

function post(message: WorkerMessage): void {
  parentPort?.postMessage(message)
}
