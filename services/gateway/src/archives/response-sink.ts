import type { ServerResponse } from 'node:http'
import type { ByteSink } from '@forebay/archive/sinks'
import { Failure } from '@forebay/base/failure'

/** Longest time that a client may take nothing, ms. */
const CLIENT_STALL_MS = 60_000

/** The body of an answer, as fast as its client takes it. @throws Failure `client-gone` */
export class ResponseSink implements ByteSink {
  readonly #response: ServerResponse

  constructor(response: ServerResponse) {
    this.#response = response
  }

  write(chunk: Buffer): void | Promise<void> {
    if (this.#response.destroyed) throw gone('left')
    if (!this.#response.write(chunk)) return this.#drained()
  }

  end(): void {
    this.#response.end()
  }

  #drained(): Promise<void> {
    const response = this.#response
    return new Promise((resolve, reject) => {
      const settle = (error?: Failure): void => {
        clearTimeout(timer)
        response.off('drain', onDrain)
        response.off('close', onClose)
        if (error === undefined) resolve()
        else reject(error)
      }
      const onDrain = (): void => settle()
      const onClose = (): void => settle(gone('left'))
      const timer = setTimeout(() => {
        settle(gone('stopped reading'))
        response.destroy()
      }, CLIENT_STALL_MS)
      response.once('drain', onDrain)
      response.once('close', onClose)
    })
  }
}

function gone(what: string): Failure {
  return new Failure('client-gone', `the client ${what} before its answer was complete`)
}
