import { Agent, buildConnector } from 'undici'
import type { AddressGuard } from './address-guard.ts'

/** Connections to one origin; the concurrency limit of the wrappers stays below. */
export const CONNECTIONS_MAX = 256

/** Connections of one account; one request at a time on each. */
export function openAgent(options: {
  /** Milliseconds a connection may take to open. */
  readonly connectTimeoutMs: number
  /** Certificate authorities to trust instead of the system's, PEM. */
  readonly ca?: string | undefined
  /** Decides which addresses may be connected to; absent: all. */
  readonly guard?: AddressGuard | undefined
}): Agent {
  const { guard } = options
  const connect = buildConnector({
    timeout: options.connectTimeoutMs,
    // Bodies are paced by pausing their connection, which here is theirs alone.
    allowH2: false,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    ...(guard === undefined ? {} : { lookup: guard.lookup }),
  })
  const guarded: buildConnector.connector = (to, callback) => {
    try {
      // The network looks no address up, so the guard's lookup would not see it.
      guard?.checkHost(to.hostname)
    } catch (error) {
      queueMicrotask(() => callback(asError(error), null))
      return
    }
    connect(to, callback)
  }
  return new Agent({
    connections: CONNECTIONS_MAX,
    pipelining: 1,
    // Deadlines are the wrappers', per progress; these would also run while a reader is slow.
    headersTimeout: 0,
    bodyTimeout: 0,
    allowH2: false,
    connect: guarded,
  })
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
