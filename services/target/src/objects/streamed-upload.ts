import type { WriteResult } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import type { ReceivedBody } from '../bodies/receive.ts'
import type { WorkFile } from '../store/contract.ts'
import { GatedUpload, WITHHELD_TAIL_BYTES } from './gated-upload.ts'
import { isUnreachable } from './is-unreachable.ts'

/** Shorter bodies go to the backend in one piece when they are complete, bytes. */
const EARLY_START_BYTES = 4 * WITHHELD_TAIL_BYTES

/** Connections that one body may break before its tail, the first included. */
const UPLOAD_ATTEMPTS = 3

/** Sends the body behind `gate` to the backend; `md5Hex` where it is known before the body goes out. */
export type StartUpload = (gate: GatedUpload, md5Hex: string | undefined) => Promise<WriteResult>

/**
 * A body that goes to a work file and to the backend at the same time. The backend's request starts
 * while the body still arrives, where its length is known and worth it; its tail waits for `commit`.
 */
export class StreamedUpload {
  readonly #work: WorkFile
  readonly #lengthBytes: number | undefined
  readonly #start: StartUpload
  readonly #stop = new AbortController()
  #gate: GatedUpload | undefined
  #early: Promise<WriteResult> | undefined

  constructor(work: WorkFile, lengthBytes: number | undefined, start: StartUpload) {
    this.#work = work
    this.#lengthBytes = lengthBytes
    this.#start = start
  }

  /**
   * Takes the body in by `receive`, which reports progress and stops when the backend refuses.
   * On any failure the backend has not got the last byte and never will.
   */
  async receive(
    receive: (onProgress: (bytes: number) => void, stop: AbortSignal) => Promise<ReceivedBody>,
  ): Promise<ReceivedBody> {
    if (this.#lengthBytes !== undefined && this.#lengthBytes > EARLY_START_BYTES) {
      this.#startEarly(this.#lengthBytes)
    }
    try {
      return await receive((bytes) => this.#gate?.advance(bytes), this.#stop.signal)
    } catch (error) {
      const refusal: unknown = this.#stop.signal.aborted ? this.#stop.signal.reason : error
      this.#gate?.fail(error)
      await this.#early?.catch(() => undefined)
      throw refusal
    }
  }

  /** Lets the tail go, or uploads everything when nothing is there yet; the backend's answer. */
  async commit(received: ReceivedBody): Promise<WriteResult> {
    const { sizeBytes, digests } = received
    let gate = this.#gate
    let upload = this.#early
    for (let attempt = 1; ; attempt++) {
      if (gate === undefined || upload === undefined) {
        gate = new GatedUpload(this.#work.fd, sizeBytes)
        upload = this.#start(gate, digests.get('md5'))
      }
      gate.open()
      try {
        return await upload
      } catch (error) {
        // While no byte of the tail has gone out, nothing can have been committed.
        if (gate.mayBeCommitted || !isUnreachable(error) || attempt >= UPLOAD_ATTEMPTS) throw error
        gate = undefined
      }
    }
  }

  /**
   * Ends what was begun and is not committed, so that the backend does not wait for the tail for ever;
   * resolves when nothing reads the work file any more. After `commit` it does nothing.
   */
  async abandon(): Promise<void> {
    this.#gate?.fail(new Failure('client-gone', 'the upload was given up'))
    await this.#early?.catch(() => undefined)
  }

  #startEarly(lengthBytes: number): void {
    const gate = new GatedUpload(this.#work.fd, lengthBytes)
    this.#gate = gate
    this.#early = this.#start(gate, undefined)
    this.#early.catch((error: unknown) => {
      // A refusal ends the request now; a broken connection is tried again when the body is here.
      if (!gate.mayBeCommitted && !isUnreachable(error)) this.#stop.abort(error)
    })
  }
}
