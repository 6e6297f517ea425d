import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { presign, signRequest } from '@forebay/s3/sigv4/sign'

/** How long one exchange may take, ms. */
const EXCHANGE_MS_MAX = 8000

/** Silence after which an answer counts as complete, ms. */
const QUIET_MS = 250

export type Keys = { readonly accessKeyId: string; readonly secretAccessKey: string }

/** What came back over one connection. */
export type Reply = {
  readonly text: string
  /** The server ended the connection. */
  readonly closed: boolean
  /** `403 AccessDenied` of the first answer that is not 1xx; `closed` when there is none. */
  readonly outcome: string
  readonly body: string
}

export type ExchangeOptions = {
  /** The client ends its side behind the last byte. */
  readonly end?: boolean
  readonly quietMs?: number
  /** More than one answer is to come: the end is the silence behind them. */
  readonly pipelined?: boolean
}

/** Sends bytes and takes what comes until the connection ends or is quiet. */
export function exchange(
  port: number,
  bytes: string | Buffer,
  options: ExchangeOptions = {},
): Promise<Reply> {
  const { promise, resolve } = Promise.withResolvers<Reply>()
  const socket = connect(port, '127.0.0.1')
  let text = ''
  const finish = (closed: boolean): void => {
    clearTimeout(timer)
    socket.destroy()
    resolve(replyOf(text, closed))
  }
  let timer = setTimeout(() => finish(false), EXCHANGE_MS_MAX)
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    clearTimeout(timer)
    const over = options.pipelined !== true && isComplete(text)
    timer = setTimeout(() => finish(false), over ? 0 : (options.quietMs ?? QUIET_MS))
  })
  socket.on('close', () => finish(true))
  socket.on('error', () => finish(true))
  socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  if (options.end === true) socket.end()
  return promise
}

/** True when one answer is there to its last byte. */
function isComplete(text: string): boolean {
  const match = /^HTTP\/1\.1 [2-5]\d\d [\s\S]*?\r\ncontent-length: (\d+)\r\n[\s\S]*?\r\n\r\n/i.exec(
    text,
  )
  return match !== null && /\r\nconnection: close\r\n/i.test(match[0]) === false
    ? text.length === match[0].length + Number(match[1])
    : false
}

function replyOf(text: string, closed: boolean): Reply {
  const final = text.replace(/^HTTP\/1\.1 1\d\d[^\r]*\r\n\r\n/, '')
  const status = /^HTTP\/1\.1 (\d{3})/.exec(final)?.[1]
  const body = final.slice(final.indexOf('\r\n\r\n') + 4)
  const code = /<Code>(\w+)</.exec(body)?.[1]
  const outcome = status === undefined ? 'closed' : [status, code].filter(Boolean).join(' ')
  return { text, closed, outcome, body }
}

export type Signing = {
  readonly method: string
  readonly target: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  /** Default: the SHA-256 of the body. */
  readonly payload?: string
  readonly keys: Keys
  readonly host: string
  readonly date?: Date
  readonly region?: string
}

/** A whole request, signed in its headers; its parts may be changed before it is written. */
export type SignedRequest = {
  readonly method: string
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export function signed(signing: Signing): SignedRequest {
  const { method, target, keys, host, region = 'us-east-1', date = new Date() } = signing
  const body = Buffer.from(signing.body ?? '')
  const payload = signing.payload ?? createHash('sha256').update(body).digest('hex')
  const own = { host, ...signing.headers }
  const added = signRequest({
    ...{ method, target, payload, region, date },
    headers: own,
    credentials: keys,
  })
  const headers = { ...own, ...added, 'content-length': String(body.length) }
  return { method, target, headers, body }
}

/** The target of a presigned URL. */
export function presigned(
  signing: Pick<Signing, 'method' | 'target' | 'keys' | 'host' | 'date'> & {
    readonly expiresSeconds?: number
  },
): string {
  const { method, target, keys, host, date = new Date(), expiresSeconds = 300 } = signing
  return presign({
    ...{ method, target, date, expiresSeconds },
    headers: { host },
    credentials: keys,
    region: 'us-east-1',
  })
}

/** The bytes of a request; `without` and `more` spoil its headers after it was signed. */
export function toBytes(
  request: SignedRequest,
  spoil: {
    readonly without?: readonly string[]
    readonly more?: readonly string[]
    readonly body?: string | Buffer
  } = {},
): Buffer {
  const lines = Object.entries(request.headers)
    .filter(([name]) => spoil.without?.includes(name) !== true)
    .map(([name, value]) => `${name}: ${value}`)
  const head = [`${request.method} ${request.target} HTTP/1.1`, ...lines, ...(spoil.more ?? [])]
  return Buffer.concat([
    Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'),
    Buffer.from(spoil.body ?? request.body),
  ])
}

/** A request without any signature. */
export function plain(method: string, target: string, headers: readonly string[] = []): string {
  return `${[`${method} ${target} HTTP/1.1`, 'Host: 127.0.0.1', ...headers].join('\r\n')}\r\n\r\n`
}
