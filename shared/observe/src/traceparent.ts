import type { SpanContext } from '@opentelemetry/api'

/** `version-traceid-parentid-flags`; a later version may add fields (Trace Context §3.2). */
const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

const LENGTH_MAX = 256

/** The span that a client names as the parent of its request; `undefined` where it names none. */
export function parseTraceparent(header: string | undefined): SpanContext | undefined {
  if (header === undefined || header.length > LENGTH_MAX) return undefined
  const [, version = '', traceId = '', spanId = '', flags = '', more] = FORM.exec(header) ?? []
  if (version === '' || version === 'ff') return undefined
  if (version === '00' && more !== undefined) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true }
}
