import type { Socket } from 'node:net'

/**
 * The system's descriptor of a plain TCP socket; undefined for TLS, closed sockets, and wherever
 * Node does not show it. `_handle` is undocumented, and has been stable for years.
 */
export function socketDescriptor(socket: Socket): number | undefined {
  if ('encrypted' in socket || socket.destroyed) return undefined
  const fd = numberOf(handleOf(socket), 'fd')
  return fd !== undefined && fd >= 0 ? fd : undefined
}

/** Bytes that libuv holds for the socket because the system had no room. */
export function queuedBytes(socket: Socket): number {
  return numberOf(handleOf(socket), 'writeQueueSize') ?? 0
}

function handleOf(socket: Socket): unknown {
  return Reflect.get(socket, '_handle')
}

function numberOf(from: unknown, name: string): number | undefined {
  if (typeof from !== 'object' || from === null) return undefined
  const value: unknown = Reflect.get(from, name)
  return typeof value === 'number' ? value : undefined
}
