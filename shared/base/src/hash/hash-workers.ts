import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { Failure } from '../failure.ts'
import {
  allocateRing,
  CONSUMED,
  headAt,
  KIND_ABANDON,
  KIND_DATA,
  KIND_FINISH,
  RING_SLOT_BYTES,
  RING_SLOTS,
  type Ring,
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
import { MD5_LANES_MAX } from './md5-code.ts'

/** Workers of one process: one for two cores. With all its lanes in use each hashes 2 GiB/s. */
export const HASH_WORKERS_MAX = Math.max(1, Math.floor(availableParallelism() / 2))

/** What a worker computes. */
export type WorkerAlgorithm = 'md5' | 'crc64nvme'

/** Digests of one body in a worker. One `update` at a time; ends with `digest` or `abandon`. */
export interface HashStream {
  /** Resolves (or returns) when the chunk was copied into the ring. */
  update(chunk: Buffer): void | Promise<void>
  /** Lower-case hexadecimal of each algorithm. */
  digest(): Promise<Readonly<Record<WorkerAlgorithm, string | undefined>>>
  abandon(): void
}

const workers = new Set<HashWorker>()

/**
 * Opens a stream on a worker. Streams of one worker are hashed together, the more the cheaper, so
 * another worker is used, or started while `HASH_WORKERS_MAX` allows, only where all have as many as
 * they can take at once. The workers keep the process alive only while streams are open.
 */
export function openHashStream(algorithms: ReadonlySet<WorkerAlgorithm>): HashStream {
  const wanted =
    (algorithms.has('md5') ? WANTS_MD5 : 0) | (algorithms.has('crc64nvme') ? WANTS_CRC64 : 0)
  return chooseWorker().open(wanted)
}

function chooseWorker(): HashWorker {
  let least: HashWorker | undefined
  for (const worker of workers) {
    if (worker.streamCount < MD5_LANES_MAX) return worker
    if (least === undefined || worker.streamCount < least.streamCount) least = worker
  }
  if (least !== undefined && workers.size >= HASH_WORKERS_MAX) return least
  const started = new HashWorker()
  workers.add(started)
  return started
}

/** Ends all workers; streams that are still open fail with `internal`. Later streams start new ones. */
export async function closeHashWorkers(): Promise<void> {
  const closing = [...workers]
  workers.clear()
  await Promise.all(closing.map((worker) => worker.close()))
}

interface OpenStream {
  readonly id: number
  /** `WANTS_MD5`, `WANTS_CRC64`. */
  readonly wanted: number
}

/** What one slot will say. */
interface Order {
  readonly kind: number
  readonly stream: OpenStream
  readonly chunk?: Buffer
}

interface Queued {
  readonly order: Order
  readonly resolve: () => void
  readonly reject: (failure: Failure) => void
}

class HashWorker {
  readonly #ring: Ring
  readonly #thread: Worker
  /** Orders that found the ring full, oldest first: of each stream one chunk at most, and its end. */
  readonly #queue: Queued[] = []
  readonly #streams = new Set<number>()
  readonly #answers = new Map<number, PromiseWithResolvers<StreamDigests>>()
  #written = 0
  /** Slots that the worker may not have heard of. */
  #unannounced = 0
  #lastStream = 0
  #failure: Failure | undefined

  constructor() {
    const memory = allocateRing()
    this.#ring = viewRing(memory)
    this.#thread = new Worker(new URL('./hash-worker.ts', import.meta.url), {
      workerData: memory,
      name: 'forebay-hash',
      execArgv: [],
    })
    this.#thread.unref()
    this.#thread.on('message', (message: WorkerMessage) => this.#receive(message))
    this.#thread.on('error', (error) => this.#fail('the hash worker failed', error))
    this.#thread.on('exit', () => this.#fail('the hash worker was ended', undefined))
  }

  get streamCount(): number {
    return this.#streams.size
  }

  open(wanted: number): HashStream {
    this.#lastStream = (this.#lastStream + 1) | 0
    const stream = { id: this.#lastStream, wanted }
    this.#streams.add(stream.id)
    if (this.#streams.size === 1) this.#thread.ref()
    return {
      update: (chunk) => this.#feed(stream, chunk),
      digest: () => this.#finish(stream),
      abandon: () => {
        if (this.#close(stream) && this.#failure === undefined) {
          // Whether the worker hears of it or dies first, the stream is over.
          this.#send({ kind: KIND_ABANDON, stream })?.catch(() => undefined)
        }
      },
    }
  }

  async close(): Promise<void> {
    if (this.#failure !== undefined) return
    const exited = new Promise((resolve) => this.#thread.once('exit', resolve))
    this.#fail('the hash workers were closed', undefined)
    await this.#thread.terminate()
    await exited
  }

  /**
   * Copies the chunk into the ring, slot by slot; waits only where the ring is full. All of it is in
   * the queue then: whatever the stream is told meanwhile, its end too, comes behind it.
   */
  #feed(stream: OpenStream, chunk: Buffer): void | Promise<void> {
    const waiting: Promise<void>[] = []
    for (let from = 0; from < chunk.length; from += RING_SLOT_BYTES) {
      const piece = chunk.subarray(from, from + RING_SLOT_BYTES)
      const sent = this.#send({ kind: KIND_DATA, stream, chunk: piece })
      if (sent !== undefined) waiting.push(sent)
    }
    if (waiting.length > 0) return Promise.all(waiting).then(() => undefined)
  }

  async #finish(stream: OpenStream): Promise<StreamDigests> {
    const answer = Promise.withResolvers<StreamDigests>()
    try {
      const waiting = this.#send({ kind: KIND_FINISH, stream })
      if (waiting !== undefined) await waiting
      this.#answers.set(stream.id, answer)
      return await answer.promise
    } finally {
      this.#close(stream)
    }
  }

  #send(order: Order): undefined | Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#queue.length === 0 && this.#hasRoom()) {
      this.#write(order)
      return undefined
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ order, resolve, reject })
      this.#askForRoom()
    })
  }

  #hasRoom(): boolean {
    const consumed = Atomics.load(this.#ring.control, CONSUMED)
    return ((this.#written - consumed) | 0) < RING_SLOTS
  }

  #write(order: Order): void {
    const slot = slotOf(this.#written)
    const head = headAt(slot)
    if (order.chunk !== undefined) this.#ring.bytes.set(order.chunk, slotAt(slot))
    this.#ring.heads[head] = order.kind
    this.#ring.heads[head + 1] = order.stream.id
    this.#ring.heads[head + 2] = order.chunk?.length ?? 0
    this.#ring.heads[head + 3] = order.stream.wanted
    this.#written = (this.#written + 1) | 0
    Atomics.store(this.#ring.control, WRITTEN, this.#written)
    this.#announce()
  }

  /**
   * Wakes the worker at the end of this turn of the loop, or when there is enough for all its lanes:
   * woken for every slot it would hash one stream at a time, which costs four times as much.
   */
  #announce(): void {
    this.#unannounced += 1
    if (this.#unannounced === 1) setImmediate(() => this.#wake())
    else if (this.#unannounced % MD5_LANES_MAX === 0) Atomics.notify(this.#ring.control, WRITTEN)
  }

  #wake(): void {
    this.#unannounced = 0
    Atomics.notify(this.#ring.control, WRITTEN)
  }

  /** The flag first, then another look: the worker may have freed a slot just before. */
  #askForRoom(): void {
    Atomics.store(this.#ring.control, ROOM_WANTED, 1)
    if (this.#hasRoom()) this.#drain()
  }

  #drain(): void {
    while (this.#hasRoom()) {
      const next = this.#queue.shift()
      if (next === undefined) return
      this.#write(next.order)
      next.resolve()
    }
    if (this.#queue.length > 0) this.#askForRoom()
  }

  #receive(message: WorkerMessage): void {
    if (message.kind === 'room') {
      this.#drain()
      return
    }
    for (const digests of message.digests) this.#answers.get(digests.stream)?.resolve(digests)
  }

  #close({ id }: OpenStream): boolean {
    this.#answers.delete(id)
    if (!this.#streams.delete(id)) return false
    if (this.#streams.size === 0) this.#thread.unref()
    return true
  }

  #fail(what: string, cause: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = new Failure('internal', `${what} before a digest was complete; try again`, {
      cause,
    })
    workers.delete(this)
    for (const queued of this.#queue.splice(0)) queued.reject(this.#failure)
    for (const answer of this.#answers.values()) answer.reject(this.#failure)
  }
}
