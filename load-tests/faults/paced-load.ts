import { type BodyName, describeBytes, makeBody } from './bodies.ts'
import { REMOTE } from './fault-node.ts'
import { History, type Write } from './history.ts'
import { isPart, isWhole } from './judge-answer.ts'
import { Random } from './random.ts'
import type { Answer, S3Client } from './s3-client.ts'

/** Requests under way; when so many are, the load waits for none and says how often. */
const RUNNING_MAX = 250

/** After its answer a write has happened this much later, or never will, ms. */
const SETTLED_MS = 12_000

export type LoadOperation = 'get' | 'range' | 'head' | 'put' | 'delete' | 'evict' | 'cold'

/** How often each operation comes, in any unit. */
export type Mix = Readonly<Partial<Record<LoadOperation, number>>>

/** How one request ended. */
export type Outcome =
  | { readonly kind: 'right'; readonly status: number; readonly cache: string }
  /** 5xx that says when to come again. */
  | { readonly kind: 'refused'; readonly status: number }
  /** The connection broke before the answer was whole: nobody takes it for an answer. */
  | { readonly kind: 'broken' }
  | { readonly kind: 'wrong'; readonly why: string }

/** One request of the load. */
export type Observed = {
  readonly operation: LoadOperation
  readonly key: string
  readonly outcome: Outcome
  readonly tookMs: number
  readonly atMs: number
}

type Register = { readonly path: string; readonly history: History<BodyName>; version: number }

export type PacedLoadOptions = {
  readonly seed: number
  readonly client: S3Client
  /** Keys that are read and written. */
  readonly keyCount: number
  readonly bodyBytesMax: number
  readonly mix: Mix
  readonly perSecond: number
  /** Called when a request has ended. */
  onObserved(observed: Observed): void
}

/**
 * An open load on a bucket with a backend: so many requests a second whatever becomes of them. Every
 * answer is judged by the history of its key: it is right, or a 5xx with Retry-After, or cut.
 */
export class PacedLoad {
  readonly #options: PacedLoadOptions
  readonly #registers: readonly Register[]
  readonly #wheel: readonly LoadOperation[]
  readonly #random: Random
  #running = 0
  #coldCount = 0
  /** Requests that were due while `RUNNING_MAX` were under way. */
  skipped = 0

  constructor(options: PacedLoadOptions) {
    this.#options = options
    this.#random = new Random(options.seed, 'load')
    this.#registers = Array.from({ length: options.keyCount }, (_, index) => ({
      path: `${REMOTE}/key-${index}`,
      history: new History<BodyName>(undefined),
      version: 0,
    }))
    this.#wheel = wheelOf(options.mix)
  }

  get paths(): readonly string[] {
    return this.#registers.map(({ path }) => path)
  }

  /** What the clients know of a key, for the artefact of a failure. */
  historyOf(path: string): readonly Write<BodyName>[] {
    return this.#registers.find((register) => register.path === path)?.history.writes ?? []
  }

  /** Writes every key once. */
  async prepare(): Promise<void> {
    for (const register of this.#registers) {
      const { outcome } = await this.#put(register)
      if (outcome.kind !== 'right') throw new Error(`${register.path}: ${JSON.stringify(outcome)}`)
    }
  }

  /** Sends requests for so long, and waits for the last answer. */
  async run(durationMs: number): Promise<void> {
    const { perSecond } = this.#options
    const startedMs = performance.now()
    const running = new Set<Promise<void>>()
    for (let count = 0; ; count++) {
      const dueMs = startedMs + (count / perSecond) * 1000
      if (dueMs >= startedMs + durationMs) break
      const waitMs = dueMs - performance.now()
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
      if (this.#running >= RUNNING_MAX) {
        this.skipped += 1
        continue
      }
      const done = this.#one().finally(() => running.delete(done))
      running.add(done)
    }
    await Promise.all(running)
  }

  /** Reads every key whole. */
  async readAll(): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = []
    for (const register of this.#registers) outcomes.push((await this.#get(register)).outcome)
    return outcomes
  }

  async #one(): Promise<void> {
    const operation = this.#wheel[this.#random.below(this.#wheel.length)] ?? 'get'
    const register = this.#registers[this.#random.below(this.#registers.length)]
    if (register === undefined) return
    const startedMs = performance.now()
    this.#running += 1
    try {
      const { path, outcome } = await this.#send(operation, register)
      const tookMs = performance.now() - startedMs
      this.#options.onObserved({ operation, key: path, outcome, tookMs, atMs: startedMs })
    } finally {
      this.#running -= 1
      register.history.forget(startedMs - 120_000)
    }
  }

  #send(operation: LoadOperation, register: Register): Promise<Sent> {
    switch (operation) {
      case 'get':
        return this.#get(register)
      case 'range':
        return this.#range(register)
      case 'head':
        return this.#head(register)
      case 'put':
        return this.#put(register)
      case 'delete':
        return this.#delete(register)
      case 'evict':
        return this.#evict(register)
      case 'cold':
        return this.#cold()
      default:
        return operation satisfies never
    }
  }

  async #get(register: Register): Promise<Sent> {
    return this.#read(register, () => this.#options.client.get(register.path), isWhole)
  }

  async #range(register: Register): Promise<Sent> {
    const first = this.#random.below(this.#options.bodyBytesMax)
    const range = { first, last: first + this.#random.below(100_000) }
    const send = () => this.#options.client.get(register.path, range)
    return this.#read(register, send, (answer, name) => isPart(answer, name, range))
  }

  async #head(register: Register): Promise<Sent> {
    const send = () => this.#options.client.ask({ method: 'HEAD', target: `/${register.path}` })
    return this.#read(register, send, (answer, name) =>
      name === undefined
        ? answer.status === 404
        : answer.status === 200 && answer.headers['content-length'] === `${name.sizeBytes}`,
    )
  }

  async #read(
    { path, history }: Register,
    send: () => Promise<Answer | undefined>,
    matches: (answer: Answer, name: BodyName | undefined) => boolean,
  ): Promise<Sent> {
    const startMs = performance.now()
    const answer = await send()
    const span = { startMs, endMs: performance.now() }
    const early = judgeStatus(answer, [200, 206, 404, 416])
    if (early !== undefined || answer === undefined) return { path, outcome: early ?? BROKEN }
    const verdict = history.read(span, (name) => matches(answer, name))
    if (verdict.kind === 'allowed') return { path, outcome: right(answer) }
    const names = history.writes.flatMap(({ value }) => value ?? [])
    const what = answer.status === 404 ? 'absent' : describeBytes(answer.body, names)
    const why = `${verdict.kind} answer ${answer.status} (${cacheOf(answer)}): ${what}`
    return { path, outcome: { kind: 'wrong', why } }
  }

  async #put(register: Register): Promise<Sent> {
    const { seed, bodyBytesMax, client } = this.#options
    register.version += 1
    const sizeBytes = this.#random.below(this.#random.pick([2, 5000, 100_000, bodyBytesMax]))
    const { path, version } = register
    const name: BodyName = { seed, key: path, version, sizeBytes }
    return this.#change(register, name, () => client.put(path, makeBody(name)))
  }

  #delete(register: Register): Promise<Sent> {
    return this.#change(register, undefined, () => this.#options.client.delete(register.path))
  }

  async #change(
    { path, history }: Register,
    value: BodyName | undefined,
    send: () => Promise<Answer | undefined>,
  ): Promise<Sent> {
    const write = history.begin(value, performance.now())
    const answer = await send()
    const endMs = performance.now()
    const early = judgeStatus(answer, [200, 204])
    if (early !== undefined || answer === undefined) {
      write.byMs = Math.min(write.byMs, endMs + SETTLED_MS)
      return { path, outcome: early ?? BROKEN }
    }
    history.acknowledge(write, endMs)
    return { path, outcome: right(answer) }
  }

  async #evict({ path }: Register): Promise<Sent> {
    const [bucket = '', key = ''] = path.split('/')
    const answer = await this.#options.client.ask({
      method: 'DELETE',
      target: `/v1/objects/${bucket}/${key}?provider=aws`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ action: 'evict-listrange', name: key, value: null }),
    })
    const outcome = judgeStatus(answer, [200, 404])
    return { path, outcome: outcome ?? (answer === undefined ? BROKEN : right(answer)) }
  }

  /** An object that nobody has asked for before, and that nobody has. */
  async #cold(): Promise<Sent> {
    this.#coldCount += 1
    const path = `${REMOTE}/never-${this.#coldCount}`
    const answer = await this.#options.client.get(path)
    const outcome = judgeStatus(answer, [404])
    return { path, outcome: outcome ?? (answer === undefined ? BROKEN : right(answer)) }
  }
}

type Sent = { readonly path: string; readonly outcome: Outcome }

const BROKEN: Outcome = { kind: 'broken' }

function right(answer: Answer): Outcome {
  return { kind: 'right', status: answer.status, cache: cacheOf(answer) }
}

function cacheOf(answer: Answer): string {
  return String(answer.headers['forebay-cache'] ?? 'none')
}

/** What the status alone decides; undefined for one of those that are expected. */
function judgeStatus(answer: Answer | undefined, expected: readonly number[]): Outcome | undefined {
  if (answer === undefined) return BROKEN
  const { status, headers, body } = answer
  if (expected.includes(status)) return undefined
  const said = body.toString('utf8', 0, 300)
  if (status < 500) return { kind: 'wrong', why: `unexpected ${status}: ${said}` }
  if (headers['retry-after'] !== undefined) return { kind: 'refused', status }
  return { kind: 'wrong', why: `${status} without Retry-After: ${said}` }
}

function wheelOf(mix: Mix): readonly LoadOperation[] {
  const operations: readonly LoadOperation[] = [
    ...(['get', 'range', 'head', 'put', 'delete', 'evict', 'cold'] as const),
  ]
  return operations.flatMap((operation) => Array(mix[operation] ?? 0).fill(operation))
}
