import { AsyncLocalStorage } from 'node:async_hooks'
import { isFailure } from '@forebay/base/failure'
import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { parseTraceparent } from './traceparent.ts'
import type { OriginSpan, TracedAnswer, TracedRequest, Tracing } from './tracing.ts'

/** What is under way here: the place in the trace that spans begun below it get. */
interface Scope {
  readonly context: Context
  readonly door: Door
  repeats: number
}

interface Door {
  readonly span: Span
  ended: boolean
}

/**
 * Spans of requests on one tracer. What belongs together is found by the asynchronous context, so
 * that none of the parts in between knows of traces. It is kept for requests that are traced only.
 */
export class RequestSpans implements Omit<Tracing, 'close'> {
  readonly #tracer: Tracer
  readonly #scopes = new AsyncLocalStorage<Scope | undefined>()

  constructor(tracer: Tracer) {
    this.#tracer = tracer
  }

  serve(request: TracedRequest, handle: () => void): void {
    const caller = parseTraceparent(request.traceparent)
    const parent = caller === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, caller)
    const span = this.#tracer.startSpan('request', { kind: SpanKind.SERVER }, parent)
    if (!span.isRecording()) {
      this.#scopes.run(undefined, handle)
      return
    }
    span.setAttribute('http.request.method', request.method)
    const context = trace.setSpan(parent, span)
    this.#scopes.run({ context, door: { span, ended: false }, repeats: 0 }, handle)
  }

  answered(answer: TracedAnswer): void {
    const door = this.#scopes.getStore()?.door
    if (door === undefined || door.ended) return
    door.ended = true
    const { span } = door
    span.updateName(answer.operation)
    span.setAttributes({
      'forebay.request_id': answer.requestId,
      'forebay.operation': answer.operation,
      'forebay.bucket': answer.bucket,
      'forebay.cache': answer.cache,
      'error.type': answer.errorCode,
      'http.response.status_code': answer.status,
      'http.request.body.size': answer.bytesIn,
      'http.response.body.size': answer.bytesOut,
    })
    if (answer.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end()
  }

  async step<T>(name: string, act: () => Promise<T>, waited: (result: T) => boolean): Promise<T> {
    const above = this.#scopes.getStore()
    if (above === undefined) return act()
    const step = new Step(this.#tracer, name, above)
    try {
      const result = await this.#scopes.run(step, act)
      step.end(waited(result))
      return result
    } catch (error) {
      step.fail(error)
      throw error
    }
  }

  origin(call: { readonly backend: string; readonly operation: string }): OriginSpan | undefined {
    const above = this.#scopes.getStore()
    if (above === undefined) return undefined
    const attributes = {
      'forebay.backend': call.backend,
      'forebay.operation': call.operation,
    }
    const options = { kind: SpanKind.CLIENT, attributes }
    const span = this.#tracer.startSpan(`origin ${call.operation}`, options, above.context)
    const scope = { context: trace.setSpan(above.context, span), door: above.door, repeats: 0 }
    return {
      run: (act) => this.#scopes.run(scope, act),
      end: ({ outcome, failed, bytesRead }) => {
        span.setAttributes({
          'forebay.outcome': outcome,
          'forebay.retries': scope.repeats,
          'http.response.body.size': bytesRead,
          'error.type': failed ? outcome : undefined,
        })
        if (failed) span.setStatus({ code: SpanStatusCode.ERROR })
        span.end()
      },
    }
  }

  repeated(): void {
    const scope = this.#scopes.getStore()
    if (scope !== undefined) scope.repeats += 1
  }
}

/** A step gets its span when something below it needs one or when its end shows that it waited. */
class Step implements Scope {
  readonly door: Door
  repeats = 0
  readonly #tracer: Tracer
  readonly #name: string
  readonly #above: Context
  readonly #startedMs = performance.now()
  #span: Span | undefined
  #ended = false

  constructor(tracer: Tracer, name: string, above: Scope) {
    this.#tracer = tracer
    this.#name = name
    this.#above = above.context
    this.door = above.door
  }

  get context(): Context {
    // What goes on after the step has ended, such as the rest of a fetch, belongs to the request.
    const span = this.#ended ? this.#span : this.#begin()
    return span === undefined ? this.#above : trace.setSpan(this.#above, span)
  }

  end(waited: boolean): void {
    if (waited) this.#begin()
    this.#ended = true
    this.#span?.end(performance.now())
  }

  fail(error: unknown): void {
    const span = this.#begin()
    span.setAttribute('error.type', isFailure(error) ? error.code : 'internal')
    if (!isFailure(error) || error.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
    this.end(true)
  }

  #begin(): Span {
    this.#span ??= this.#tracer.startSpan(this.#name, { startTime: this.#startedMs }, this.#above)
    return this.#span
  }
}
