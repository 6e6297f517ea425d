import { createServer, type Server, type Socket } from 'node:net'

/** One request as the origin got it. */
export interface OriginRequest {
  readonly method: string
  /** Path and query as sent. */
  readonly target: string
  /** By lower-case name; the last of a name wins. */
  readonly headers: Readonly<Record<string, string>>
  /** What had come of the body when the request was answered. */
  readonly body: Buffer
  /** Requests before this one. */
  readonly index: number
}

/** One thing that the origin does on the connection. */
export type OriginStep =
  /** Raw bytes, exactly as given: also half heads and lies. */
  | { readonly kind: 'send'; readonly bytes: Buffer | string }
  | { readonly kind: 'wait'; readonly ms: number }
  /** Runs `act` and waits for it: to change what later requests are answered. */
  | { readonly kind: 'act'; act(): void | Promise<void> }
  /** Ends the connection in order. */
  | { readonly kind: 'close' }
  /** Breaks the connection. */
  | { readonly kind: 'reset' }
  /** Says nothing more and keeps the connection. */
  | { readonly kind: 'hang' }

/** What the origin does with a request; chosen anew for each. */
export type OriginScript = (request: OriginRequest) => readonly OriginStep[]

/** An HTTP origin on loopback that says whatever its script says. */
export interface ScriptedOrigin {
  readonly url: string
  readonly requests: readonly OriginRequest[]
  /** Connections that are open. */
  readonly connectionCount: number
  close(): Promise<void>
}

/** Requests that the origin remembers; a test that sends more has gone wild. */
const REQUESTS_MAX = 10_000

/** Head and body of one request that the origin takes in, bytes. */
const REQUEST_BYTES_MAX = 64 * 1024 ** 2

/**
 * Starts an origin on a free port. Requests are answered when their announced body has come; one
 * whose connection ends before is not answered and not listed.
 */
export async function startOrigin(script: OriginScript): Promise<ScriptedOrigin> {
  const requests: OriginRequest[] = []
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // The other side may break off: that is what such tests are for.
    socket.on('error', () => socket.destroy())
    serve(socket, (request) => {
      if (requests.length >= REQUESTS_MAX) return [{ kind: 'reset' }]
      const numbered = { ...request, index: requests.length }
      requests.push(numbered)
      return script(numbered)
    })
  })
  const port = await listen(server)
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    get connectionCount() {
      return sockets.size
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (typeof address === 'object' && address !== null) resolve(address.port)
      else reject(new Error('a listening server has no port'))
    })
  })
}

function serve(
  socket: Socket,
  answer: (request: Omit<OriginRequest, 'index'>) => readonly OriginStep[],
): void {
  let received: Buffer = Buffer.alloc(0)
  let busy = false
  const next = async (): Promise<void> => {
    if (busy) return
    busy = true
    for (;;) {
      const parsed = parseRequest(received)
      if (parsed === undefined) break
      received = received.subarray(parsed.endBytes)
      if (!(await play(socket, answer(parsed.request)))) return
    }
    busy = false
  }
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, Buffer.from(chunk)])
    if (received.length > REQUEST_BYTES_MAX) socket.destroy()
    else void next().catch(() => socket.destroy())
  })
}

/** @returns false when the connection takes no further request */
async function play(socket: Socket, steps: readonly OriginStep[]): Promise<boolean> {
  for (const step of steps) {
    switch (step.kind) {
      case 'send':
        socket.write(step.bytes)
        break
      case 'wait':
        await new Promise((resolve) => setTimeout(resolve, step.ms))
        break
      case 'act':
        await step.act()
        break
      case 'close':
        socket.end()
        return false
      case 'reset':
        socket.resetAndDestroy()
        return false
      case 'hang':
        return false
      default:
        step satisfies never
    }
  }
  return true
}

function parseRequest(
  bytes: Buffer,
): { readonly request: Omit<OriginRequest, 'index'>; readonly endBytes: number } | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const [line = '', ...fields] = bytes.subarray(0, headEnd).toString('latin1').split('\r\n')
  const headers: Record<string, string> = {}
  for (const field of fields) {
    const colon = field.indexOf(':')
    headers[field.slice(0, colon).toLowerCase()] = field.slice(colon + 1).trim()
  }
  const bodyBytes = Number(headers['content-length'] ?? 0)
  const endBytes = headEnd + 4 + bodyBytes
  if (bytes.length < endBytes) return undefined
  const [method = '', target = ''] = line.split(' ')
  return {
    request: { method, target, headers, body: bytes.subarray(headEnd + 4, endBytes) },
    endBytes,
  }
}
