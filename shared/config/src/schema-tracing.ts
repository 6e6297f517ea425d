import { number, optional, text, url } from './setting.ts'

/** Settings of traces: part of `SCHEMA`. */
export const TRACING_SCHEMA = {
  endpoint: optional(
    url({
      doc: 'Collector that takes traces by OTLP over HTTP, e.g. http://127.0.0.1:4318; its path is /v1/traces where the URL has none.',
    }),
    'no traces',
  ),
  sampleRatio: number({
    min: 0,
    max: 1,
    default: 1,
    doc: 'Share of requests that are traced, 0..1; a request that comes with a traceparent header is traced if that says so.',
  }),
  serviceName: text({
    default: 'forebay',
    pattern: /^[\x21-\x7e]{1,128}$/,
    allowed: '1..128 printable characters without spaces',
    doc: 'Name of the service in traces.',
  }),
} as const
