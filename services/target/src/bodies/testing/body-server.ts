/** What the tests of bodies share: files of known bytes, real servers that send them, raw clients. */
import { once } from 'node:events'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, request as tlsRequest } from 'node:https'
import { type AddressInfo, connect, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ObjectBody } from '@forebay/peer/bodies'
import type { FileLease } from '../../store/contract.ts'
import { SendBuffers } from '../send-buffers.ts'

const fixture = (name: string): Buffer =>
  readFileSync(new URL(`../fixtures/${name}`, import.meta.url))

/** Test-only key of a self-signed certificate for localhost. */
const TLS = { key: fixture('localhost-key.pem'), cert: fixture('localhost-cert.pem') }

/** A stock that counts how often it was asked. */
export class CountedBuffers extends SendBuffers {
  takenCount = 0

  override take(): Buffer | undefined {
    this.takenCount += 1
    return super.take()
  }
}

/** A temporary folder with files; `close` removes it. */
export class Files {
  readonly folder = mkdtempSync(join(tmpdir(), 'forebay-bodies-'))
  readonly #descriptors: number[] = []
  #count = 0

  /** Writes the bytes to a new file and opens it. */
  with(bytes: Uint8Array, flags = 'r+'): number {
    const path = this.path()
    writeFileSync(path, bytes)
    return this.open(path, flags)
  }

  /** A file of zeros none of which is in memory. */
  cold(sizeBytes: number): number {
    const path = this.path()
    writeFileSync(path, '')
    truncateSync(path, sizeBytes)
    return this.open(path, 'r')
  }

  open(path: string, flags: string): number {
    const fd = openSync(path, flags)
    this.#descriptors.push(fd)
    return fd
  }

  path(): string {
    this.#count += 1
    return join(this.folder, String(this.#count))
  }

  close(): void {
    for (const fd of this.#descriptors) closeSync(fd)
    rmSync(this.folder, { recursive: true })
  }
}

/** A lease that counts its releases. */
export function countedLease(fd: number): FileLease & { releasedCount: number } {
  return {
    fd,
    offset: 0,
    releasedCount: 0,
    release() {
      this.releasedCount += 1
    },
  }
}

/** Bytes in which every position can be told from its neighbours. */
export function patterned(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(sizeBytes)
  for (let at = 0; at + 4 <= sizeBytes; at += 4) {
    bytes.writeUInt32LE(((at + seed) * 2654435761) >>> 0, at)
  }
  return bytes
}

/** A server that answers every request with the body that `bodyFor` makes. */
export class BodyServer {
  readonly #server: Server
  readonly #secure: boolean
  readonly #sockets = new Set<Socket>()
  /** How each `sendTo` ended, in the order of requests. */
  readonly outcomes: Promise<unknown>[] = []
  connectionCount = 0

  constructor(bodyFor: (path: string) => ObjectBody, options: { readonly tls?: boolean } = {}) {
    this.#secure = options.tls ?? false
    const answer = (incoming: IncomingMessage, response: ServerResponse): void => {
      const body = bodyFor(incoming.url ?? '/')
      response.writeHead(200, { 'content-length': body.lengthBytes })
      this.outcomes.push(
        body.sendTo(response).then(
          () => 'sent',
          (error) => error,
        ),
      )
    }
    this.#server = this.#secure ? createTlsServer(TLS, answer) : createServer(answer)
    this.#server.on('connection', (socket: Socket) => {
      this.connectionCount += 1
      this.#sockets.add(socket)
    })
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return this
  }

  get port(): number {
    // `address` of a listening TCP server is never a string or null.
    const address: Partial<AddressInfo> | string | null = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('not listening')
    return address.port ?? 0
  }

  /** The bytes of an answer; rejects when the connection ends before them. */
  async get(path: string, options: { readonly method?: string } = {}): Promise<Buffer> {
    const start = this.#secure ? tlsRequest : request
    const outgoing = start({
      host: '127.0.0.1',
      port: this.port,
      path,
      method: options.method ?? 'GET',
      rejectUnauthorized: false,
      headers: { connection: 'keep-alive' },
    })
    outgoing.end()
    const [response]: [IncomingMessage] = await new Promise((resolve, reject) => {
      outgoing.once('response', (arrived) => resolve([arrived]))
      outgoing.once('error', reject)
    })
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  /** A raw connection that has asked for `paths` at once and reads nothing until told to. */
  async dial(...paths: readonly string[]): Promise<Socket> {
    const socket = connect({ port: this.port, host: '127.0.0.1' })
    socket.pause()
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`).join(''))
    return socket
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** Resolves when `condition` holds; it is looked at every few milliseconds. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** Reads a raw connection until it has given `answerCount` whole answers, and returns their bodies. */
export async function readAnswers(socket: Socket, answerCount: number): Promise<Buffer[]> {
  const bodies: Buffer[] = []
  let pending: Buffer[] = []
  let pendingBytes = 0
  // Bytes from which on another look is worth it.
  let wantedBytes = 1
  for await (const chunk of socket) {
    pending.push(chunk)
    pendingBytes += chunk.length
    while (pendingBytes >= wantedBytes) {
      const joined = Buffer.concat(pending)
      pending = [joined]
      const headEnd = joined.indexOf('\r\n\r\n')
      const length = /content-length: (\d+)/i.exec(joined.toString('latin1', 0, headEnd))?.[1]
      wantedBytes = headEnd < 0 ? pendingBytes + 1 : headEnd + 4 + Number(length)
      if (headEnd < 0 || pendingBytes < wantedBytes) break
      bodies.push(joined.subarray(headEnd + 4, wantedBytes))
      if (bodies.length === answerCount) return bodies
      pending = [joined.subarray(wantedBytes)]
      pendingBytes -= wantedBytes
      wantedBytes = 1
    }
  }
  throw new Error(`the connection ended after ${bodies.length} of ${answerCount} answers`)
}
