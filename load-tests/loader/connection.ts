/** One keep-alive connection to a server: HTTP/1.1 over a bare socket, one request at a time. */
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** Longest head of an answer. */
const HEAD_BYTES_MAX = 64 * 1024

/** Why a request came to nothing; each is counted apart. */
export type BrokenKind = 'connect' | 'reset' | 'timeout' | 'protocol' | 'stopped'

export class BrokenExchange extends Error {
  readonly kind: BrokenKind
  /** Not a byte of an answer came: on a connection that was used before, it may just have ended. */
  readonly isSilent: boolean

  constructor(kind: BrokenKind, message: string, isSilent = false) {
    super(message)
    this.name = 'BrokenExchange'
    this.kind = kind
    this.isSilent = isSilent
  }
}

/** One request, and who takes the body of its answer. */
export type Exchange = {
  readonly method: string
  /** Request line and headers, with the empty line. */
  readonly head: string
  /** The body piece by piece; called again when the last one has left. */
  readonly nextPiece?: (() => Buffer | undefined) | undefined
  readonly onBody?: ((bytes: Buffer) => void) | undefined
  readonly timeoutMs: number
}

export type AnswerHead = {
  readonly status: number
  /** In lower case, from the first header on. */
  readonly headers: string
  /** When the first byte of the head came, by `performance.now()`. */
  readonly firstByteAtMs: number
}

/** The value of a header of an answer; undefined when it has none. */
export function headerOf({ headers }: AnswerHead, name: string): string | undefined {
  const at = headers.indexOf(`\r\n${name}:`)
  if (at < 0) return undefined
  const from = at + name.length + 3
  const end = headers.indexOf('\r\n', from)
  return headers.slice(from, end < 0 ? undefined : end).trim()
}

type Running = {
  readonly exchange: Exchange
  readonly resolve: (head: AnswerHead) => void
  readonly reject: (error: BrokenExchange) => void
  readonly timer: NodeJS.Timeout
  firstByteAtMs: number
}

/** Where the connection stands in the body of an answer. */
type BodyState =
  | { readonly kind: 'head' }
  | { readonly kind: 'counted'; leftBytes: number }
  | { readonly kind: 'chunked'; readonly decoder: ChunkDecoder }
  | { readonly kind: 'until-close' }

const NO_BYTES = Buffer.alloc(0)

export class Connection {
  readonly #socket: Socket
  #running: Running | undefined
  #head: Buffer = NO_BYTES
  #answer: AnswerHead | undefined
  #body: BodyState = { kind: 'head' }
  #isUsed = false
  #isGone = false
  #keepAlive = true

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
    socket.on('drain', () => this.#sendMore())
    socket.on('error', (error) => this.#break('reset', error.message))
    socket.on('close', () => this.#ended())
  }

  /** @throws BrokenExchange `connect`, also when the server says nothing for `timeoutMs` */
  static open(
    url: URL,
    options: { readonly insecure: boolean; readonly timeoutMs: number },
  ): Promise<Connection> {
    const { promise, resolve, reject } = Promise.withResolvers<Connection>()
    const isTls = url.protocol === 'https:'
    const port = Number(url.port === '' ? (isTls ? 443 : 80) : url.port)
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const socket = isTls
      ? connectTls({ host, port, servername: host, rejectUnauthorized: !options.insecure })
      : connect({ host, port })
    const fail = (error: Error): void => {
      clearTimeout(timer)
      socket.destroy()
      reject(new BrokenExchange('connect', `${url.host}: ${error.message}`))
    }
    const { timeoutMs } = options
    const timer = setTimeout(() => fail(new Error(`no connection in ${timeoutMs} ms`)), timeoutMs)
    socket.once('error', fail)
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer)
      socket.removeListener('error', fail)
      resolve(new Connection(socket))
    })
    return promise
  }

  /** Whether another request may be sent. */
  get isOpen(): boolean {
    return !this.#isGone && this.#keepAlive && this.#running === undefined
  }

  /** Whether it has carried a request before. */
  get isUsed(): boolean {
    return this.#isUsed
  }

  /** Sends a request; resolves when the answer has come whole. One at a time. */
  run(exchange: Exchange): Promise<AnswerHead> {
    const { promise, resolve, reject } = Promise.withResolvers<AnswerHead>()
    if (this.#isGone) {
      reject(new BrokenExchange('reset', 'the connection is closed', true))
      return promise
    }
    const timer = setTimeout(
      () => this.#break('timeout', `no whole answer in ${exchange.timeoutMs} ms`),
      exchange.timeoutMs,
    )
    this.#running = { exchange, resolve, reject, timer, firstByteAtMs: 0 }
    this.#answer = undefined
    this.#body = { kind: 'head' }
    const piece = exchange.nextPiece?.()
    if (piece === undefined) this.#socket.write(exchange.head, 'latin1')
    else {
      this.#socket.cork()
      this.#socket.write(exchange.head, 'latin1')
      const more = this.#socket.write(piece)
      this.#socket.uncork()
      if (more) this.#sendMore()
    }
    return promise
  }

  close(): void {
    this.#break('stopped', 'the run is over')
  }

  #sendMore(): void {
    const next = this.#running?.exchange.nextPiece
    if (next === undefined) return
    for (let piece = next(); piece !== undefined; piece = next()) {
      if (!this.#socket.write(piece)) return
    }
  }

  #take(bytes: Buffer): void {
    const running = this.#running
    if (running === undefined) {
      this.#break('protocol', 'an answer that nobody asked for')
      return
    }
    if (running.firstByteAtMs === 0) running.firstByteAtMs = performance.now()
    if (this.#body.kind !== 'head') {
      this.#takeBody(running, bytes)
      return
    }
    const head = this.#head.length === 0 ? bytes : Buffer.concat([this.#head, bytes])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) {
      if (head.length > HEAD_BYTES_MAX)
        this.#break('protocol', 'the head of the answer is too long')
      else this.#head = head
      return
    }
    this.#head = NO_BYTES
    if (!this.#takeHead(running, head.toString('latin1', 0, end))) return
    const rest = head.subarray(end + 4)
    // What follows an interim answer (RFC 9110 §15.2) is the next head.
    if (this.#answer === undefined) {
      if (rest.length > 0) this.#take(rest)
    } else this.#takeBody(running, rest)
  }

  /** Reads a head; false when it broke the connection. */
  #takeHead({ exchange, firstByteAtMs }: Running, text: string): boolean {
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1])
    if (!(status >= 100)) {
      this.#break('protocol', 'the answer is no HTTP')
      return false
    }
    if (status < 200) return true
    const lineEnd = text.indexOf('\r\n')
    const headers = lineEnd < 0 ? '' : text.slice(lineEnd).toLowerCase()
    const answer: AnswerHead = { status, headers, firstByteAtMs }
    this.#answer = answer
    if (headerOf(answer, 'connection') === 'close') this.#keepAlive = false
    const length = headerOf(answer, 'content-length')
    if (exchange.method === 'HEAD' || status === 204 || status === 304) {
      this.#body = { kind: 'counted', leftBytes: 0 }
    } else if (headerOf(answer, 'transfer-encoding')?.endsWith('chunked') === true) {
      this.#body = { kind: 'chunked', decoder: new ChunkDecoder() }
    } else if (length !== undefined) {
      this.#body = { kind: 'counted', leftBytes: Number(length) }
    } else {
      this.#keepAlive = false
      this.#body = { kind: 'until-close' }
    }
    return true
  }

  #takeBody(running: Running, bytes: Buffer): void {
    const body = this.#body
    switch (body.kind) {
      case 'head':
        return
      case 'counted': {
        if (bytes.length > body.leftBytes) {
          this.#break('protocol', 'the answer is longer than it says')
          return
        }
        body.leftBytes -= bytes.length
        if (bytes.length > 0) running.exchange.onBody?.(bytes)
        if (body.leftBytes === 0) this.#finish(running)
        return
      }
      case 'chunked': {
        const state = body.decoder.take(bytes, (part) => running.exchange.onBody?.(part))
        if (state === 'broken') this.#break('protocol', 'the chunks of the answer are wrong')
        else if (state === 'whole') this.#finish(running)
        return
      }
      default:
        if (bytes.length > 0) running.exchange.onBody?.(bytes)
    }
  }

  #finish(running: Running): void {
    const answer = this.#answer
    if (answer === undefined) return
    clearTimeout(running.timer)
    this.#running = undefined
    this.#isUsed = true
    // A refusal that came before the body was sent leaves the rest of it owed.
    if (running.exchange.nextPiece?.() !== undefined) this.#keepAlive = false
    if (!this.#keepAlive) this.#socket.destroy()
    running.resolve(answer)
  }

  #break(kind: BrokenKind, message: string): void {
    this.#isGone = true
    this.#socket.destroy()
    const running = this.#running
    if (running === undefined) return
    this.#running = undefined
    clearTimeout(running.timer)
    running.reject(new BrokenExchange(kind, message, running.firstByteAtMs === 0))
  }

  #ended(): void {
    this.#isGone = true
    const running = this.#running
    if (running !== undefined && this.#body.kind === 'until-close') this.#finish(running)
    else this.#break('reset', 'the server closed the connection')
  }
}

/** Takes chunked bodies apart (RFC 9112 §7.1). */
export class ChunkDecoder {
  #state: 'size' | 'data' | 'data-end' | 'trailer' = 'size'
  #line = ''
  #leftBytes = 0

  /** @returns whether the body has come whole, goes on, or is none */
  take(bytes: Buffer, onPart: (part: Buffer) => void): 'more' | 'whole' | 'broken' {
    let at = 0
    while (at < bytes.length) {
      if (this.#state === 'data') {
        const part = bytes.subarray(at, at + this.#leftBytes)
        onPart(part)
        at += part.length
        this.#leftBytes -= part.length
        if (this.#leftBytes === 0) this.#state = 'data-end'
        continue
      }
      const end = bytes.indexOf('\n', at)
      this.#line += bytes.toString('latin1', at, end < 0 ? bytes.length : end)
      if (this.#line.length > HEAD_BYTES_MAX) return 'broken'
      if (end < 0) return 'more'
      at = end + 1
      const line = this.#line.trimEnd()
      this.#line = ''
      const next = this.#endLine(line)
      if (next === 'whole') return at === bytes.length ? 'whole' : 'broken'
      if (next === 'broken') return 'broken'
    }
    return 'more'
  }

  #endLine(line: string): 'more' | 'whole' | 'broken' {
    switch (this.#state) {
      case 'size': {
        const size = /^([0-9a-f]{1,12})(?:\s*;.*)?$/i.exec(line)?.[1]
        if (size === undefined) return 'broken'
        this.#leftBytes = Number.parseInt(size, 16)
        this.#state = this.#leftBytes === 0 ? 'trailer' : 'data'
        return 'more'
      }
      case 'data-end':
        this.#state = 'size'
        return line === '' ? 'more' : 'broken'
      default:
        return line === '' ? 'whole' : 'more'
    }
  }
}
