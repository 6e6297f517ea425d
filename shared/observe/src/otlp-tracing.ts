/**
 * Traces to a collector by OTLP over HTTP. Loaded only by a node that is told to trace: this is the
 * one place that knows the SDK of OpenTelemetry. Nothing is registered globally.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { RequestSpans } from './request-spans.ts'
import type { Tracing, TracingOptions } from './tracing.ts'

/** Spans that wait to be sent; more are dropped. About 4 MiB. */
const SPANS_WAITING_MAX = 4096
const SPANS_PER_BATCH = 512
const BATCH_INTERVAL_MS = 1000
const EXPORT_TIMEOUT_MS = 5000
/** How long a stop may be held up by a collector. */
const FLUSH_TIMEOUT_MS = 2000

const PATH = '/v1/traces'

/** @param endpoint with or without the path of traces */
export function openOtlpTracing(options: TracingOptions, endpoint: string): Tracing {
  const { logger, sampleRatio, serviceName, version, nodeId } = options
  const exporter = new OTLPTraceExporter({
    url: urlOfTraces(endpoint),
    timeoutMillis: EXPORT_TIMEOUT_MS,
    // A stop sends all that waits at once, beside the batch that is under way.
    concurrencyLimit: SPANS_WAITING_MAX / SPANS_PER_BATCH + 1,
  })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': serviceName,
      'service.version': version,
      'service.instance.id': nodeId,
    }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampleRatio) }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: telling(exporter, { logger, endpoint }),
        maxQueueSize: SPANS_WAITING_MAX,
        maxExportBatchSize: SPANS_PER_BATCH,
        scheduledDelayMillis: BATCH_INTERVAL_MS,
        exportTimeoutMillis: EXPORT_TIMEOUT_MS,
      }),
    ],
  })
  const spans = new RequestSpans(provider.getTracer('forebay', version))
  return {
    serve: (request, handle) => spans.serve(request, handle),
    answered: (answer) => spans.answered(answer),
    step: (name, act, waited) => spans.step(name, act, waited),
    origin: (call) => spans.origin(call),
    repeated: () => spans.repeated(),
    close: async () => {
      const late = new AbortController()
      // What could not be sent was told by the exporter; a stop does not fail for it.
      const sent = provider.shutdown().catch(() => undefined)
      const timeout = sleep(FLUSH_TIMEOUT_MS, undefined, { signal: late.signal })
      await Promise.race([sent, timeout])
      timeout.catch(() => undefined)
      late.abort()
    },
  }
}

function urlOfTraces(endpoint: string): string {
  const url = new URL(endpoint)
  return url.pathname === '/' ? new URL(PATH, url).href : url.href
}

/** The exporter, whose failures are told when they begin and when they are over, not one by one. */
function telling(
  exporter: SpanExporter,
  { logger, endpoint }: { readonly logger: TracingOptions['logger']; readonly endpoint: string },
): SpanExporter {
  let failing = false
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const failed = result.error !== undefined
        if (failed && !failing) {
          logger.warn({ endpoint, err: result.error }, 'traces cannot be sent: they are dropped')
        } else if (failing && !failed) {
          logger.info({ endpoint }, 'traces are sent again')
        }
        failing = failed
        done(result)
      }),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
    shutdown: () => exporter.shutdown(),
  }
}
