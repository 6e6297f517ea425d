/** The operations of a run, one at a time: chosen, sent, checked, counted. */
import type { Random } from '../faults/random.ts'
import { BrokenExchange } from './connection.ts'
import { makeContent } from './content.ts'
import { type Answer, type Door, type RequestBody, rangeHeader } from './door.ts'
import { AnswerCheck, type Change, type KeySpace, piecesOf, type Span } from './keys.ts'
import type { OperationKind } from './operation-kind.ts'
import type { LoaderOptions } from './options.ts'
import type { Recorder } from './recorder.ts'

/** Objects that are tried before an operation gives up finding one. */
const PICKS_MAX = 32

/** Parts of one upload that are sent at once. */
const PARTS_AT_ONCE = 4

/** An object that was there before the run. */
export type ExistingObject = { readonly name: string; readonly sizeBytes: number }

/** What an operation came to, without its times. */
type Result = {
  readonly bytes: number
  readonly firstByteMs?: number | undefined
  readonly error?: string | undefined
}

export class Workload {
  readonly #options: LoaderOptions
  readonly #door: Door
  readonly #keys: KeySpace
  readonly #random: Random
  readonly #existing: readonly ExistingObject[]
  putBytes = 0

  constructor(parts: {
    readonly options: LoaderOptions
    readonly door: Door
    readonly keys: KeySpace
    readonly random: Random
    /** Objects to read instead of the run's own. */
    readonly existing: readonly ExistingObject[]
  }) {
    this.#options = parts.options
    this.#door = parts.door
    this.#keys = parts.keys
    this.#random = parts.random
    this.#existing = parts.existing
  }

  /** Objects that an epoch reads. */
  get objectCount(): number {
    return this.#options.existing ? this.#existing.length : this.#keys.count
  }

  /** What is next, by the percentages. */
  nextKind(): OperationKind {
    const { percent } = this.#options
    let left = this.#random.next() * 100
    for (const kind of ['put', 'head', 'list', 'delete'] as const) {
      left -= percent[kind]
      if (left < 0) return kind
    }
    return 'get'
  }

  /**
   * Does one operation and counts it.
   *
   * @param due.index the object, where the caller decides
   */
  async perform(
    kind: OperationKind,
    due: { readonly dueMs: number; readonly index?: number | undefined },
    recorder: Recorder,
  ): Promise<void> {
    const sentMs = performance.now()
    let result: Result
    try {
      result = await this.#do(kind, due.index, recorder)
    } catch (error) {
      if (!(error instanceof BrokenExchange)) throw error
      // What the end of the run cut off says nothing about the server.
      if (error.kind === 'stopped') return
      result = { bytes: 0, error: error.kind }
    }
    const endMs = performance.now()
    recorder.record({ kind, dueMs: due.dueMs, sentMs, endMs, ...result })
  }

  /** Writes an object; used by the set-up too. */
  async write(index: number): Promise<Result> {
    const change = this.#keys.begin(index, 'write')
    return change === undefined ? { bytes: 0, error: 'contended' } : this.#put(change)
  }

  #do(kind: OperationKind, index: number | undefined, recorder: Recorder): Promise<Result> {
    switch (kind) {
      case 'get':
        if (this.#options.existing) return this.#getExisting(index, recorder)
        return this.#get(index ?? this.#pickReadable(), recorder)
      case 'put': {
        const change = this.#pickChange('write')
        return change === undefined ? CONTENDED : this.#put(change)
      }
      case 'delete': {
        const change = this.#pickChange('removal')
        return change === undefined ? CONTENDED : this.#delete(change)
      }
      case 'head':
        return this.#head(recorder)
      default:
        return this.#list()
    }
  }

  async #get(index: number, recorder: Recorder): Promise<Result> {
    const keys = this.#keys
    const claim = keys.claim(index)
    const sizeBytes = keys.sizeBytes(index, Math.max(1, claim.floor))
    const span = this.#span(sizeBytes)
    const check = new AnswerCheck(keys, claim, { span, everyByte: this.#options.verify })
    const answer = await this.#door.ask({
      method: 'GET',
      target: this.#door.objectTarget(keys.name(index)),
      ...(span && { headers: rangeHeader(span) }),
      onBody: (bytes) => check.take(bytes),
    })
    const wanted = span === undefined ? 200 : 206
    if (![wanted, 404, ...(span === undefined ? [] : [416])].includes(answer.status)) {
      return failed(answer)
    }
    const wrong = check.finish(answer.status)
    if (wrong !== undefined) return mismatch(recorder, `${keys.name(index)} ${wrong}`)
    const bytes = answer.status === wanted ? check.receivedBytes : 0
    return { bytes, firstByteMs: answer.firstByteAtMs }
  }

  async #getExisting(given: number | undefined, recorder: Recorder): Promise<Result> {
    const index = given ?? this.#random.below(this.#existing.length)
    const object = this.#existing[index]
    if (object === undefined) throw new Error('there is no object to read')
    const span = this.#span(object.sizeBytes)
    let bytes = 0
    const answer = await this.#door.ask({
      method: 'GET',
      target: this.#door.objectTarget(object.name),
      ...(span && { headers: rangeHeader(span) }),
      onBody: (part) => {
        bytes += part.length
      },
    })
    if (answer.status !== (span === undefined ? 200 : 206)) return failed(answer)
    const wanted = span === undefined ? object.sizeBytes : span.length
    if (bytes !== wanted) {
      return mismatch(recorder, `${object.name} has ${bytes} bytes instead of ${wanted}`)
    }
    return { bytes, firstByteMs: answer.firstByteAtMs }
  }

  async #head(recorder: Recorder): Promise<Result> {
    const keys = this.#keys
    const existing = this.#existing[this.#random.below(this.#existing.length)]
    const index = this.#pickReadable()
    const claim = keys.claim(index)
    const answer = await this.#door.ask({
      method: 'HEAD',
      target: this.#door.objectTarget(existing?.name ?? keys.name(index)),
    })
    const isAbsent = answer.status === 404
    if (answer.status !== 200 && !isAbsent) return failed(answer)
    if (isAbsent && (existing !== undefined || !keys.mayBeAbsent(claim))) {
      return mismatch(recorder, `${existing?.name ?? keys.name(index)} is said to be absent`)
    }
    return { bytes: 0, firstByteMs: answer.firstByteAtMs }
  }

  async #list(): Promise<Result> {
    const answer = await this.#door.ask(this.#door.list(this.#options.prefix))
    return answer.status === 200 ? { bytes: 0, firstByteMs: answer.firstByteAtMs } : failed(answer)
  }

  async #delete(change: Change): Promise<Result> {
    const answer = await this.#door.ask({
      method: 'DELETE',
      target: this.#door.objectTarget(this.#keys.name(change.index)),
    })
    if (answer.status !== 404 && !isSuccess(answer)) {
      this.#keys.release(change)
      return failed(answer)
    }
    this.#keys.acknowledge(change)
    return { bytes: 0, firstByteMs: answer.firstByteAtMs }
  }

  async #put(change: Change): Promise<Result> {
    const sizeBytes = change.sizeBytes ?? 0
    const { partBytes } = this.#options
    const answer =
      partBytes !== undefined && sizeBytes > partBytes
        ? await this.#putInParts(change, partBytes)
        : await this.#door.ask({
            method: 'PUT',
            target: this.#door.objectTarget(this.#keys.name(change.index)),
            body: bodyOf(change, { offset: 0, length: sizeBytes }),
          })
    if (!isSuccess(answer)) {
      this.#keys.release(change)
      return failed(answer)
    }
    this.#keys.acknowledge(change)
    this.putBytes += sizeBytes
    return { bytes: sizeBytes, firstByteMs: answer.firstByteAtMs }
  }

  /** @returns the answer to the first request that failed, else that to the last */
  async #putInParts(change: Change, partBytes: number): Promise<Answer> {
    const door = this.#door
    const name = this.#keys.name(change.index)
    const begun = await door.askText({
      method: 'POST',
      target: door.objectTarget(name, 'uploads='),
    })
    const uploadId = /<UploadId>([^<]+)</.exec(begun.text)?.[1]
    if (uploadId === undefined) return { status: begun.status, headers: '', firstByteAtMs: 0 }
    const upload = `uploadId=${encodeURIComponent(uploadId)}`
    const sizeBytes = change.sizeBytes ?? 0
    const etags: string[] = []
    let failure: Answer | undefined
    const numbers = Array.from({ length: Math.ceil(sizeBytes / partBytes) }, (_, at) => at).values()
    const work = async (): Promise<void> => {
      for (const at of numbers) {
        const offset = at * partBytes
        const length = Math.min(partBytes, sizeBytes - offset)
        const answer = await door.ask({
          method: 'PUT',
          target: door.objectTarget(name, `partNumber=${at + 1}&${upload}`),
          body: bodyOf(change, { offset, length }),
        })
        if (!isSuccess(answer)) failure ??= answer
        if (failure !== undefined) return
        etags[at] = /\r\netag: *([^\r]+)/.exec(answer.headers)?.[1] ?? ''
      }
    }
    await Promise.all(Array.from({ length: PARTS_AT_ONCE }, work))
    if (failure !== undefined) {
      await door.ask({ method: 'DELETE', target: door.objectTarget(name, upload) })
      return failure
    }
    const parts = etags.map(
      (etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
    )
    const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
    let text = ''
    const answer = await door.ask({
      method: 'POST',
      target: door.objectTarget(name, upload),
      body: { sizeBytes: body.length, pieces: () => [body].values() },
      onBody: (bytes) => {
        text += bytes.toString()
      },
    })
    // It may say 200 first and fail in the document (S3 API, CompleteMultipartUpload).
    return text.includes('<Error>') ? { ...answer, status: 500 } : answer
  }

  #pickReadable(): number {
    let index = this.#random.below(this.#keys.count)
    for (let pick = 1; pick < PICKS_MAX && !this.#keys.exists(index); pick += 1) {
      index = this.#random.below(this.#keys.count)
    }
    return index
  }

  #pickChange(kind: 'write' | 'removal'): Change | undefined {
    for (let pick = 0; pick < PICKS_MAX; pick += 1) {
      const index = this.#random.below(this.#keys.count)
      if (kind === 'removal' && !this.#keys.exists(index)) continue
      const change = this.#keys.begin(index, kind)
      if (change !== undefined) return change
    }
    return undefined
  }

  /** The part to read of an object; undefined: all of it. Never beyond its end. */
  #span(sizeBytes: number): Span | undefined {
    const { readOffset, readLength } = this.#options
    if ((readOffset === undefined && readLength === undefined) || sizeBytes === 0) return undefined
    const fixed = readLength === 'random' ? undefined : readLength
    const last = fixed === undefined ? sizeBytes - 1 : Math.max(0, sizeBytes - fixed)
    const offset =
      readOffset === 'random'
        ? this.#random.below(last + 1)
        : Math.min(readOffset ?? 0, sizeBytes - 1)
    const most = sizeBytes - offset
    if (readLength === 'random') return { offset, length: 1 + this.#random.below(most) }
    return { offset, length: Math.min(fixed ?? most, most) }
  }
}

const CONTENDED: Promise<Result> = Promise.resolve({ bytes: 0, error: 'contended' })

function bodyOf({ stamp }: Change, { offset, length }: Span): RequestBody {
  return {
    sizeBytes: length,
    pieces: function* () {
      for (const piece of piecesOf(length)) {
        yield makeContent(stamp, offset + piece.offset, piece.length)
      }
    },
  }
}

function isSuccess({ status }: Answer): boolean {
  return status >= 200 && status < 300
}

function failed({ status }: Answer): Result {
  return { bytes: 0, error: `status ${status}` }
}

function mismatch(recorder: Recorder, text: string): Result {
  recorder.mismatch(text)
  return { bytes: 0, error: 'mismatch' }
}
