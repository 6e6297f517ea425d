import { Failure } from '@forebay/base/failure'
import type { Lease } from '../engine.ts'

/**
 * The right to one piece of work. In one process nobody else gets the piece before its holder has come
 * back, so no time runs: it ends with the work, or with the run of its job.
 */
export class JobLease implements Lease {
  readonly signal: AbortSignal
  readonly #over = new AbortController()

  constructor(run: AbortSignal) {
    this.signal = AbortSignal.any([run, this.#over.signal])
  }

  check(): void {
    this.signal.throwIfAborted()
  }

  /** The holder has come back: what it left behind may do nothing more. */
  end(): void {
    this.#over.abort(new Failure('job-lease-lost', 'this piece of the job was ended'))
  }
}
