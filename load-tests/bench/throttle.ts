/** A TCP relay that limits and counts what an origin sends, one connection at a time. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../testkit/servers.ts'

/** What went through since the last `reset`. */
export type Traffic = {
  readonly connections: number
  /** From the origin to the client, heads included. */
  readonly bytesDown: number
  /** Requests by method, read off the first bytes that the client sends in one piece. */
  readonly requests: Readonly<Record<string, number>>
}

export type Throttle = {
  readonly port: number
  readonly url: string
  /** The counts, once nothing has come from the origin for a while: answers may be cut short late. */
  readonly settled: () => Promise<Traffic>
  readonly reset: () => void
  readonly close: () => Promise<void>
}

/** A pause shorter than this is not worth a timer: it is made up for with the next piece. */
const PAUSE_MS_MIN = 2

/** Longer than any pause that the limit makes. */
const SETTLE_MS = 500

/**
 * Starts a relay on loopback.
 *
 * @param options.bytesPerSecond limit of each connection, from the origin to the client
 * @param options.latencyMs how much later what the client sends reaches the origin; default 0
 */
export async function startThrottle(options: {
  readonly originPort: number
  readonly bytesPerSecond: number
  readonly latencyMs?: number
}): Promise<Throttle> {
  const { latencyMs = 0 } = options
  const port = await freePort()
  const counts = { connections: 0, bytesDown: 0, requests: new Map<string, number>() }
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    counts.connections += 1
    const origin = connect(options.originPort, '127.0.0.1')
    for (const socket of [client, origin]) {
      socket.setNoDelay(true)
      sockets.add(socket)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        origin.destroy()
      })
      socket.on('error', () => socket.destroy())
    }
    client.on('data', (chunk) => {
      const method = methodOf(chunk.toString('latin1'))
      if (method !== undefined) {
        counts.requests.set(method, (counts.requests.get(method) ?? 0) + 1)
      }
      const pass = (): void => {
        if (origin.write(chunk)) return
        client.pause()
        origin.once('drain', () => client.resume())
      }
      // Timers of one length fire in the order in which they were set.
      if (latencyMs > 0) setTimeout(pass, latencyMs)
      else pass()
    })
    const pace = createPace(options.bytesPerSecond)
    origin.on('data', (chunk) => {
      counts.bytesDown += chunk.length
      const pauseMs = pace(chunk.length, performance.now())
      const full = !client.write(chunk)
      if (pauseMs < PAUSE_MS_MIN && !full) return
      origin.pause()
      const drained = full ? once(client, 'drain').catch(() => undefined) : undefined
      setTimeout(() => {
        if (drained === undefined) origin.resume()
        else void drained.then(() => origin.resume())
      }, pauseMs)
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    settled: async () => {
      for (let seen = -1; seen !== counts.bytesDown; ) {
        seen = counts.bytesDown
        await sleep(SETTLE_MS)
      }
      return { ...counts, requests: Object.fromEntries(counts.requests) }
    },
    reset: () => {
      counts.connections = 0
      counts.bytesDown = 0
      counts.requests.clear()
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/**
 * How long to wait after a piece so that the rate holds, milliseconds. Time without traffic is not
 * saved up: after it the rate begins anew.
 */
export function createPace(bytesPerSecond: number): (bytes: number, nowMs: number) => number {
  let dueMs = 0
  return (bytes, nowMs) => {
    dueMs = Math.max(dueMs, nowMs) + (bytes / bytesPerSecond) * 1000
    return dueMs - nowMs
  }
}

function methodOf(text: string): string | undefined {
  return /^(GET|HEAD|PUT|POST|DELETE) \S+ HTTP\/1\.1\r\n/.exec(text)?.[1]
}
