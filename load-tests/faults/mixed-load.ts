import { type BodyName, describeBytes, makeBody, sha1Of } from './bodies.ts'
import { NATIVE, REMOTE } from './fault-node.ts'
import { History } from './history.ts'
import { isPart, isWhole } from './judge-answer.ts'
import { Random } from './random.ts'
import { type Answer, isDone, type S3Client } from './s3-client.ts'
import type { S3Origin } from './s3-origin.ts'

const CLIENTS = 8
const KEYS_PER_BUCKET = 6
const BODY_BYTES_MAX = 8 * 1024 ** 2

/** Smallest part but the last (S3 API), bytes. */
const PART_BYTES_MIN = 5 * 1024 ** 2

/** Sources of copies, written once: what a copy writes is known. */
const SOURCE_BYTES = [10_000, 300_001, 3_000_000] as const

const OPERATIONS = [
  ...['put', 'put', 'put', 'put', 'get', 'get', 'get', 'get'],
  ...['range', 'range', 'range', 'delete', 'copy', 'multipart', 'evict', 'evict'],
] as const

/** One key under load and all that its clients know about it. */
type Register = {
  readonly bucket: typeof NATIVE | typeof REMOTE
  readonly path: string
  readonly history: History<BodyName>
  version: number
}

/** What the clients have seen so far. */
export type Tally = {
  acknowledged: number
  reads: number
  unanswered: number
  readonly statuses: Map<number, number>
}

/**
 * Clients that write, copy, delete and read a few keys at once, and a history of every key against
 * which each answer is judged when it comes. What is not explained is a violation.
 */
export class MixedLoad {
  readonly violations: string[] = []
  readonly tally: Tally = { acknowledged: 0, reads: 0, unanswered: 0, statuses: new Map() }
  readonly #seed: number
  readonly #origin: S3Origin
  readonly #registers: readonly Register[]

  constructor(seed: number, origin: S3Origin) {
    this.#seed = seed
    this.#origin = origin
    this.#registers = [NATIVE, REMOTE].flatMap((bucket) =>
      Array.from({ length: KEYS_PER_BUCKET }, (_, index) => ({
        bucket: bucket === NATIVE ? NATIVE : REMOTE,
        path: `${bucket}/key-${index}`,
        history: new History<BodyName>(undefined),
        version: 0,
      })),
    )
  }

  /** Writes the sources of copies. */
  async prepare(client: S3Client): Promise<void> {
    for (const bucket of [NATIVE, REMOTE]) {
      for (const index of SOURCE_BYTES.keys()) {
        const source = this.#source(bucket, index)
        const answer = await client.put(source.key, makeBody(source))
        if (!isDone(answer)) throw new Error(`${source.key} was refused: ${answer?.status}`)
      }
    }
  }

  /** Runs all clients until the signal, and until each has seen its last request end. */
  async run(client: S3Client, round: number, signal: AbortSignal): Promise<void> {
    const clients = Array.from({ length: CLIENTS }, async (_, index) => {
      const random = new Random(this.#seed, round, index)
      while (!signal.aborted) await this.#operate(client, random)
    })
    await Promise.all(clients)
  }

  /** After the process died: reads every key whole; from then on what was read is what it holds. */
  async readBack(client: S3Client): Promise<void> {
    const nowMs = performance.now()
    for (const { bucket, history } of this.#registers) if (bucket === NATIVE) history.bury(nowMs)
    await Promise.all(this.#registers.map((register) => this.#get(client, register)))
    // What reached the origin whole may be applied a little later than the process died.
    await this.#origin.quiet()
    await Promise.all(this.#registers.map((register) => this.#settle(client, register)))
    this.#origin.applied.length = 0
  }

  async #settle(client: S3Client, register: Register): Promise<void> {
    const { path, bucket, history } = register
    const answer = await this.#get(client, register)
    const names = history.writes.map(({ value }) => value)
    const found = answer === undefined ? undefined : names.find((name) => isWhole(answer, name))
    if (answer?.status !== 404 && found === undefined) {
      this.violations.push(`${path}: ${answer?.status} after the restart`)
    }
    const stored = this.#origin.get(path)?.bytes
    if (bucket === REMOTE && !sameBytes(stored, answer)) {
      this.violations.push(`${path}: not what the origin has after the restart`)
    }
    history.settle(found)
  }

  async #operate(client: S3Client, random: Random): Promise<void> {
    const register = random.pick(asChoices(this.#registers))
    const operation = random.pick(asChoices(OPERATIONS))
    switch (operation) {
      case 'put': {
        const body = this.#nextBody(register, sizeOf(random))
        return this.#mutate(register, body, () => client.put(register.path, makeBody(body)))
      }
      case 'delete':
        return this.#mutate(register, undefined, () => client.delete(register.path))
      case 'copy': {
        const source = this.#source(register.bucket, random.below(SOURCE_BYTES.length))
        return this.#mutate(register, source, () => client.copy(source.key, register.path))
      }
      case 'multipart':
        return this.#multipart(client, register, random)
      case 'evict':
        // The next read brings it from the origin: a small one into a file with others.
        if (register.bucket === REMOTE) this.#count(await client.evict(register.path))
        await this.#get(client, register)
        return
      case 'get':
        await this.#get(client, register)
        return
      default:
        return this.#range(client, register, random)
    }
  }

  #source(bucket: string, index: number): BodyName {
    const key = `${bucket}/source-${index}`
    return { seed: this.#seed, key, version: 0, sizeBytes: SOURCE_BYTES[index] ?? 0 }
  }

  #nextBody(register: Register, sizeBytes: number): BodyName {
    register.version += 1
    return { seed: this.#seed, key: register.path, version: register.version, sizeBytes }
  }

  async #mutate(
    { history }: Register,
    value: BodyName | undefined,
    send: () => Promise<Answer | undefined>,
  ): Promise<void> {
    const write = history.begin(value, performance.now())
    const answer = await send()
    this.#count(answer)
    if (!isDone(answer)) return
    this.tally.acknowledged += 1
    history.acknowledge(write, performance.now())
  }

  async #multipart(client: S3Client, register: Register, random: Random): Promise<void> {
    const sizeBytes = random.pick([1, 70_000, PART_BYTES_MIN, PART_BYTES_MIN + 100_001])
    const body = this.#nextBody(register, sizeBytes)
    const bytes = makeBody(body)
    const uploadId = await client.createUpload(register.path)
    if (uploadId === undefined) return
    const upload = { path: register.path, uploadId }
    const etags: string[] = []
    for (let at = 0; at < bytes.length; at += PART_BYTES_MIN) {
      const part = bytes.subarray(at, at + PART_BYTES_MIN)
      const etag = await client.writePart(upload, etags.length + 1, part)
      if (etag === undefined) return
      etags.push(etag)
    }
    await this.#mutate(register, body, () => client.completeUpload(upload, etags))
  }

  async #get(client: S3Client, register: Register): Promise<Answer | undefined> {
    const startMs = performance.now()
    const answer = await client.get(register.path)
    const span = { startMs, endMs: performance.now() }
    this.#count(answer)
    if (answer?.status !== 200 && answer?.status !== 404) return answer
    this.#judge(register, span, { answer, matches: (name) => isWhole(answer, name) })
    if (register.bucket === REMOTE) this.#compareWithOrigin(register, span, answer)
    return answer
  }

  async #range(client: S3Client, register: Register, random: Random): Promise<void> {
    const first = random.below(random.pick([1, 100_000, BODY_BYTES_MAX]))
    const range = { first, last: first + random.below(200_000) }
    const startMs = performance.now()
    const answer = await client.get(register.path, range)
    const span = { startMs, endMs: performance.now() }
    this.#count(answer)
    if (answer === undefined || ![200, 206, 404, 416].includes(answer.status)) return
    this.#judge(register, span, { answer, matches: (name) => isPart(answer, name, range) })
  }

  #judge(
    { path, history }: Register,
    span: { readonly startMs: number; readonly endMs: number },
    read: { readonly answer: Answer; matches(name: BodyName | undefined): boolean },
  ): void {
    this.tally.reads += 1
    const verdict = history.read(span, read.matches)
    if (verdict.kind === 'allowed') return
    const { status, body } = read.answer
    const names = history.writes.flatMap(({ value }) => value ?? [])
    const what = status === 404 ? 'absent' : describeBytes(body, names)
    this.violations.push(`${path}: ${verdict.kind} answer ${status}: ${what}`)
  }

  /** With every mutation going through the node, no answer is older than the read. */
  #compareWithOrigin(
    { path }: Register,
    span: { readonly startMs: number; readonly endMs: number },
    answer: Answer,
  ): void {
    const applied = this.#origin.applied.filter(
      ({ key, atMs }) => key === path && atMs <= span.endMs,
    )
    const before = applied.findLastIndex(({ atMs }) => atMs < span.startMs)
    // Nothing was applied since the last restart, when the answer was compared with the origin.
    if (applied.length === 0) return
    const current = before < 0 ? undefined : applied.slice(before)
    if (current === undefined) return
    const sha1 = answer.status === 404 ? undefined : sha1Of(answer.body)
    if (current.some((each) => each.sha1 === sha1)) return
    this.violations.push(`${path}: ${answer.status} is not what the origin had during the read`)
  }

  #count(answer: Answer | undefined): void {
    if (answer === undefined) this.tally.unanswered += 1
    else {
      const { statuses } = this.tally
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
    }
  }
}

function sizeOf(random: Random): number {
  const below = random.pick([1, 20, 5000, 100_000, 100_000, 1_500_000, BODY_BYTES_MAX])
  return random.below(below + 1)
}

function sameBytes(stored: Buffer | undefined, answer: Answer | undefined): boolean {
  if (stored === undefined) return answer?.status === 404
  return answer?.status === 200 && answer.body.equals(stored)
}

function asChoices<T>(items: readonly T[]): readonly [T, ...T[]] {
  const [first, ...rest] = items
  if (first === undefined) throw new Error('there is nothing to choose from')
  return [first, ...rest]
}
