/** The thread at the far end of a ring: the digests of many streams, a batch of slots at a time. */
import { platform, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { Crc64Engine, type Crc64State, crc64Code, formatCrc64, initialCrc64 } from './crc64-code.ts'
import {
  CONSUMED,
  CRC64_AT,
  headAt,
  KIND_ABANDON,
  KIND_DATA,
  KIND_FINISH,
  MD5_STATES_AT,
  MD5_STEPS_AT,
  MD5_TAIL_AT,
  RING_SLOTS,
  ROOM_WANTED,
  type StreamDigests,
  slotAt,
  slotOf,
  viewRing,
  WANTS_CRC64,
  WANTS_MD5,
  type WorkerMessage,
  WRITTEN,
} from './hash-ring.ts'
import { Md5Engine, type Md5Run, Md5State, md5Functions } from './md5-lanes.ts'
import { compile } from './wasm-module.ts'

/** Slots of one batch: the others can be filled meanwhile. */
const BATCH_SLOTS = RING_SLOTS / 2

/** A fifth of the event loop's share. */
const NICENESS = 7

interface Stream {
  readonly md5: Md5State | undefined
  readonly crc64: Crc64State | undefined
}

/** What the slots of a batch ask for, sorted by what is done together. */
interface Batch {
  readonly runs: Md5Run[]
  readonly crcs: { readonly state: Crc64State; readonly at: number; readonly bytes: number }[]
  readonly finished: { readonly id: number; readonly stream: Stream }[]
}

const ring = viewRing(workerData)
const functionOf = compile([...md5Functions(), ...crc64Code()], workerData)
const md5Engine = new Md5Engine(
  workerData,
  { steps: MD5_STEPS_AT, states: MD5_STATES_AT, tail: MD5_TAIL_AT },
  functionOf,
)
const crc64Engine = new Crc64Engine(workerData, CRC64_AT, functionOf)
const streams = new Map<number, Stream>()

// Where both want the same core, the event loop goes first. On Linux this is about the thread alone.
if (platform() === 'linux') setPriority(NICENESS)

// The thread ends by `terminate` only.
let consumed = 0
for (;;) {
  const written = waitForSlots()
  const end = (consumed + Math.min(BATCH_SLOTS, (written - consumed) | 0)) | 0
  const batch: Batch = { runs: [], crcs: [], finished: [] }
  for (let count = consumed; count !== end; count = (count + 1) | 0) sort(slotOf(count), batch)
  const digests = work(batch)
  consumed = end
  Atomics.store(ring.control, CONSUMED, consumed)
  if (digests.length > 0) post({ kind: 'digests', digests })
  if (Atomics.exchange(ring.control, ROOM_WANTED, 0) === 1) post({ kind: 'room' })
}

/** Waits until there is a slot to work off; how many were filled in all. */
function waitForSlots(): number {
  for (;;) {
    const written = Atomics.load(ring.control, WRITTEN)
    if (written !== consumed) return written
    Atomics.wait(ring.control, WRITTEN, consumed)
  }
}

function sort(slot: number, batch: Batch): void {
  const head = headAt(slot)
  const [kind, id = 0, bytes = 0, wanted = 0] = ring.heads.subarray(head, head + 4)
  switch (kind) {
    case KIND_DATA: {
      const { md5, crc64 } = streamOf(id, wanted)
      const at = slotAt(slot)
      if (md5 !== undefined) batch.runs.push({ state: md5, at, lengthBytes: bytes })
      if (crc64 !== undefined) batch.crcs.push({ state: crc64, at, bytes })
      return
    }
    case KIND_FINISH:
      batch.finished.push({ id, stream: streamOf(id, wanted) })
      streams.delete(id)
      return
    case KIND_ABANDON:
      streams.delete(id)
      return
    default:
      throw new Error(`unknown kind ${kind} in slot ${slot}`)
  }
}

function work(batch: Batch): readonly StreamDigests[] {
  md5Engine.update(batch.runs)
  // Last, for it spoils the bytes.
  for (const { state, at, bytes } of batch.crcs) crc64Engine.update(state, at, bytes)
  return batch.finished.map(({ id, stream }) => ({
    stream: id,
    md5: stream.md5 && md5Engine.digest(stream.md5),
    crc64nvme: stream.crc64 && formatCrc64(stream.crc64),
  }))
}

function streamOf(id: number, wanted: number): Stream {
  let stream = streams.get(id)
  if (stream === undefined) {
    stream = {
      md5: (wanted & WANTS_MD5) === 0 ? undefined : new Md5State(),
      crc64: (wanted & WANTS_CRC64) === 0 ? undefined : initialCrc64(),
    }
    streams.set(id, stream)
  }
  return stream
}

function post(message: WorkerMessage): void {
  parentPort?.postMessage(message)
}
