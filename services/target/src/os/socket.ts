import type { Socket } from 'node:net'
import { unacknowledgedBytes } from './libc.ts'

declare module 'node:net' {
  /** Undocumented, and stable for years. */
  interface Socket {
    _handle?: { readonly fd?: unknown; readonly writeQueueSize?: unknown } | null
  }
}

/**
 * The system's descriptor of a plain TCP socket; undefined for TLS, closed sockets, and wherever
 * Node does not show it.
 */
export function socketDescriptor(socket: Socket): number | undefined {
  if ('encrypted' in socket || socket.destroyed) return undefined
  const fd = numberOf(socket._handle?.fd)
  return fd !== undefined && fd >= 0 ? fd : undefined
}

/**
 * Bytes that were written to the socket and have not reached the peer, as far as the system shows
 * them: what libuv holds, and what the peer has not acknowledged. For TLS: encrypted bytes.
 */
export function undeliveredBytes(socket: Socket): number {
  const queued = numberOf(socket._handle?.writeQueueSize) ?? 0
  const fd = socket.destroyed ? undefined : numberOf(socket._handle?.fd)
  const sent = fd === undefined || fd < 0 ? undefined : unacknowledgedBytes(fd)
  return queued + (sent ?? 0)
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}
