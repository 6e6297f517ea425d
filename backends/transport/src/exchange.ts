import { Failure } from '@forebay/base/failure'
import type { Dispatcher } from 'undici'
import { ResponseBody } from './response-body.ts'
import type { UploadStream } from './upload-stream.ts'

/** One HTTP request as it goes over the wire. */
export interface WireRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  readonly origin: string
  /** Request target: encoded path and query. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly upload?: UploadStream | undefined
  readonly signal: AbortSignal
  /**
   * True for a store that is known to answer HEAD without a body: the connection is used again, where
   * a new one with TLS costs more than the request. undici closes it after a HEAD otherwise, because
   * a body that follows would be read as the next answer.
   */
  readonly keepAfterHead?: boolean | undefined
  /** The failure that an error of the connection means. */
  classify(error: unknown): unknown
}

export interface WireAnswer {
  readonly status: number
  readonly headers: AnswerHeaders
  readonly body: ResponseBody
}

/** Headers of an answer by lower-case name, one character per byte. */
export type AnswerHeaders = Readonly<Record<string, HeaderValue>>

/** As it came; several where an answer has the name several times. */
export type HeaderValue = string | readonly string[] | undefined

/** One header; several of a name are joined as HTTP has it (RFC 9110 §5.3). */
export function headerOf(headers: AnswerHeaders, name: string): string | undefined {
  return joined(headers[name])
}

/** Several values of one name as one (RFC 9110 §5.3). */
export function joined(value: HeaderValue): string | undefined {
  return typeof value === 'string' || value === undefined ? value : value.join(', ')
}

/**
 * Sends the request and resolves with the head of its answer; the body flows when it is pumped.
 *
 * An upload whose source throws ends the connection before the announced end, so the store never
 * sees a whole body; the promise then rejects with what the source threw.
 *
 * @throws the signal's reason, the upload's own error, or what `classify` made of undici's
 */
export function exchange(dispatcher: Dispatcher, request: WireRequest): Promise<WireAnswer> {
  const { signal, upload } = request
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason)
      return
    }
    const handler = new ExchangeHandler(request, { resolve, reject })
    dispatcher.dispatch(
      {
        origin: request.origin,
        method: request.method,
        path: request.target,
        headers: request.headers,
        ...(request.keepAfterHead === true && request.method === 'HEAD' ? { reset: false } : {}),
        // undici sends any async iterable; its types know only streams of Node.
        ...(upload === undefined ? {} : { body: upload.iterate() }),
      } satisfies Omit<Dispatcher.DispatchOptions, 'body'> & {
        body?: AsyncIterable<Buffer>
      } as Dispatcher.DispatchOptions,
      handler,
    )
  })
}

interface Outcome {
  resolve(answer: WireAnswer): void
  reject(error: unknown): void
}

class ExchangeHandler implements Dispatcher.DispatchHandler {
  readonly #request: WireRequest
  readonly #outcome: Outcome
  #controller: Dispatcher.DispatchController | undefined
  #body: ResponseBody | undefined

  constructor(request: WireRequest, outcome: Outcome) {
    this.#request = request
    this.#outcome = outcome
    request.signal.addEventListener('abort', this.#abort, { once: true })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#request.signal.aborted) controller.abort(asError(this.#request.signal.reason))
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: AnswerHeaders,
  ): void {
    if (status < 200) return
    const { upload } = this.#request
    if (upload !== undefined && status < 300 && !upload.isSent) {
      const message = 'the store said that it has the object before it got all of its bytes'
      controller.abort(new Failure('backend-corrupt', message))
      return
    }
    this.#body = new ResponseBody(controller, this.#request.signal)
    this.#outcome.resolve({ status, headers, body: this.#body })
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body?.receive(chunk)
  }

  onResponseEnd(): void {
    this.#release()
    this.#body?.finish()
    this.#body = undefined
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#release()
    const { upload } = this.#request
    const reason = upload?.failure?.error ?? this.#request.classify(error)
    this.#body?.breakOff(reason)
    this.#outcome.reject(reason)
  }

  readonly #abort = (): void => {
    const { reason } = this.#request.signal
    this.#body?.fail(reason)
    this.#controller?.abort(asError(reason))
    this.#outcome.reject(reason)
  }

  #release(): void {
    this.#request.signal.removeEventListener('abort', this.#abort)
    this.#controller = undefined
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}
