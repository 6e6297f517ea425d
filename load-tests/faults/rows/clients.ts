import { connect, type Socket } from 'node:net'
import { readMetric } from '../../testkit/metrics.ts'
import { makeBody } from '../bodies.ts'
import { REMOTE } from '../fault-node.ts'
import { Checks, type FaultRow, onNode, pause, until } from './row.ts'

const OBJECT_BYTES = 4 * 1024 ** 2

/** The limits of the node in this row, ms: what is given up is given up soon. */
const STALL_MS = 2000

/** What clients do that are no good. Each sends its first bytes and is never heard of again, or vanishes. */
const WAYS = {
  'half a head': { first: 'GET /remote/large HTTP/1.1\r\nHost: x\r\n', vanishes: false },
  'half a body': {
    first: 'PUT /remote/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc',
    vanishes: false,
  },
  'not reading': { first: 'GET /remote/large HTTP/1.1\r\nHost: x\r\n\r\n', vanishes: false },
  vanishing: { first: 'GET /remote/cold HTTP/1.1\r\nHost: x\r\n\r\n', vanishes: true },
} as const

/** Row 21: clients that are slow, stall or vanish, of each kind at once. */
export const badClients: FaultRow = {
  number: 21,
  title: 'slow, stalled and vanishing clients: let go, nothing left of them, others are served',
  inTests: false,
  run: ({ scale }) =>
    onNode(
      {
        args: [
          ...['--set', `http.readStallTimeout=${STALL_MS}ms`],
          ...['--set', `http.writeStallTimeout=${STALL_MS}ms`],
          ...['--set', `http.headersTimeout=${STALL_MS}ms`],
        ],
      },
      async ({ client, server, origin, node }) => {
        const checks = new Checks()
        const each = scale === 'long' ? 200 : 40
        for (const name of ['large', 'cold', 'wanted']) {
          const path = `${REMOTE}/${name}`
          origin.put(path, makeBody({ seed: 21, key: path, version: 1, sizeBytes: OBJECT_BYTES }))
        }
        await client.get(`${REMOTE}/large`)
        const before = await readMetric(server.url, 'forebay_resident_memory_bytes')
        const sockets = Object.values(WAYS).flatMap(({ first, vanishes }) =>
          Array.from({ length: each }, () => open(server.port, first, vanishes)),
        )
        await pause(300)
        const wanted = `${REMOTE}/wanted`
        const served = await client.get(wanted)
        const body = makeBody({ seed: 21, key: wanted, version: 1, sizeBytes: OBJECT_BYTES })
        checks.that(served?.body.equals(body) === true, `others are not served: ${served?.status}`)
        const gone = async () => (await readMetric(server.url, 'forebay_connections')) <= 8
        const goneMs = await until(gone, 60_000)
        checks.that(goneMs < 60_000, 'clients that are no good are kept')
        const after = await readMetric(server.url, 'forebay_resident_memory_bytes')
        const grownMiB = Math.round((after - before) / 1024 ** 2)
        checks.that(grownMiB < 256, `${grownMiB} MiB more memory`)
        const absent = await client.get(`${REMOTE}/slow`)
        checks.that(absent?.status === 404, `half a body became an object: ${absent?.status}`)
        const left = await until(async () => (await node.workFiles()).length === 0, 10_000)
        checks.that(left < 10_000, 'work files are left')
        for (const socket of sockets) socket.destroy()
        const figures = `${sockets.length} clients, all gone after ${(goneMs / 1000).toFixed(1)} s, ${grownMiB} MiB more memory`
        return { figures, violations: checks.violations }
      },
    ),
}

function open(port: number, first: string, vanishes: boolean): Socket {
  const socket = connect(port, '127.0.0.1')
  // It is let go by force: that is what this is about.
  socket.on('error', () => socket.destroy())
  socket.pause()
  socket.write(first)
  if (vanishes) setTimeout(() => socket.resetAndDestroy(), 20)
  return socket
}
