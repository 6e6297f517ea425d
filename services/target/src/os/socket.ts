import type { Socket } from 'node:net'
import { unacknowledgedBytes } from './libc.ts'

/**
 * The system's descriptor of a plain TCP socket; undefined for TLS, closed sockets, and wherever
 * Node does not show it. `_handle` is undocumented, and has been stable for years.
 */
export function socketDescriptor(socket: Socket): number | undefined {
  if ('encrypted' in socket || socket.destroyed) return undefined
  const fd = numberOf(handleOf(socket), 'fd')
  return fd !== undefined && fd >= 0 ? fd : undefined
}

/**
 * Bytes that were written to the socket and have not reached the peer, as far as the system shows
 * them: what libuv holds, and what the peer has not acknowledged. For TLS: encrypted bytes.
 */
export function undeliveredBytes(socket: Socket): number {
  const handle = handleOf(socket)
  const queued = numberOf(handle, 'writeQueueSize') ?? 0
  const fd = socket.destroyed ? undefined : numberOf(handle, 'fd')
  const sent = fd === undefined || fd < 0 ? undefined : unacknowledgedBytes(fd)
  return queued + (sent ?? 0)
}

function handleOf(socket: Socket): unknown {
  return Reflect.get(socket, '_handle')
}

function numberOf(from: unknown, name: string): number | undefined {
  if (typeof from !== 'object' || from === null) return undefined
  const value: unknown = Reflect.get(from, name)
  return typeof value === 'number' ? value : undefined
}
