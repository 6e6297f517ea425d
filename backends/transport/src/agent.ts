import type { LookupFunction } from 'node:net'
import { Agent } from 'undici'

/** Connections to one origin; the concurrency limit of the wrappers stays below. */
export const CONNECTIONS_MAX = 256

/** Connections of one account; one request at a time on each. */
export function openAgent(options: {
  /** Milliseconds a connection may take to open. */
  readonly connectTimeoutMs: number
  /** Certificate authorities to trust instead of the system's, PEM. */
  readonly ca?: string | undefined
  /** Address resolution of one's own; absent: the system's. */
  readonly lookup?: LookupFunction | undefined
}): Agent {
  return new Agent({
    connections: CONNECTIONS_MAX,
    pipelining: 1,
    // Deadlines are the wrappers', per progress; these would also run while a reader is slow.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: {
      timeout: options.connectTimeoutMs,
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      ...(options.lookup === undefined ? {} : { lookup: options.lookup }),
    },
  })
}
