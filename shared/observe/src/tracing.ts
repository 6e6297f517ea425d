import type { Logger } from './logger.ts'

/** A request as a door sees it first. */
export interface TracedRequest {
  readonly method: string
  /** The header of that name as the client sent it (W3C Trace Context), if it did. */
  readonly traceparent: string | undefined
}

/** What a trace says of an answered request. No key, no path, no query: they may be secrets. */
export interface TracedAnswer {
  readonly requestId: string
  readonly operation: string
  readonly bucket: string | undefined
  readonly status: number
  /** Code of the catalogue. */
  readonly errorCode: string | undefined
  readonly bytesIn: number
  readonly bytesOut: number
  /** Value of the `Forebay-Cache` header. */
  readonly cache: string | undefined
}

/** One request to an origin, its repetitions included. */
export interface OriginSpan {
  /** Does the request, so that its repetitions are counted here. */
  run<T>(act: () => Promise<T>): Promise<T>
  /** Once, when the request ended; of a read, when its body did. */
  end(result: {
    /** One word: `ok`, the kind of an answer, `aborted`, or a code of the catalogue. */
    readonly outcome: string
    readonly failed: boolean
    readonly bytesRead?: number
  }): void
}

/**
 * Traces of requests: a span at the door, below it one of the target where a request waits there,
 * below that one for each request to an origin. Nothing of it throws, and nothing waits for a collector.
 */
export interface Tracing {
  /** Begins the span of a request and handles the request inside it. */
  serve(request: TracedRequest, handle: () => void): void
  /** Ends the span of the request that is being handled. Outside of one nothing happens. */
  answered(answer: TracedAnswer): void
  /**
   * Does a step of the request that is being handled.
   *
   * @param waited says of the result whether the step is worth a span; one that asked an origin or
   *   failed has one anyway
   */
  step<T>(name: string, act: () => Promise<T>, waited: (result: T) => boolean): Promise<T>
  /** Begins a request to an origin; `undefined` where no request that is traced needs it. */
  origin(call: { readonly backend: string; readonly operation: string }): OriginSpan | undefined
  /** A request to an origin is repeated. */
  repeated(): void
  /** Sends what is there, for two seconds at most. */
  close(): Promise<void>
}

export interface TracingOptions {
  /** URL of a collector that speaks OTLP over HTTP; absent: no traces. */
  readonly endpoint: string | undefined
  /** Share of requests without `traceparent` that are traced, 0..1. */
  readonly sampleRatio: number
  readonly serviceName: string
  readonly version: string
  /** Tells nodes of one service apart. */
  readonly nodeId: string
  readonly logger: Pick<Logger, 'warn' | 'info'>
}

/** Traces to the collector, or `undefined` without one: then not even the libraries are loaded. */
export async function openTracing(options: TracingOptions): Promise<Tracing | undefined> {
  const { endpoint } = options
  if (endpoint === undefined) return undefined
  const { openOtlpTracing } = await import('./otlp-tracing.ts')
  return openOtlpTracing(options, endpoint)
}
