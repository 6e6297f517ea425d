import type { IncomingMessage, ServerResponse } from 'node:http'
import { newRequestId } from '@forebay/base/ids'
import type { Answered } from '../s3/context.ts'
import { type ConsoleFile, readConsole } from './read-console.ts'

export interface UiDoorOptions {
  /** Where the built console lies. */
  readonly folder: string
  /** What the page has to know before it can ask for anything else. */
  readonly session: {
    readonly mode: 'open' | 'users'
    /** Region that signatures are made for. */
    readonly region: string
  }
  readonly onAnswer?: ((answered: Answered) => void) | undefined
  /** Told when the console cannot be read. */
  readonly report: (error: unknown, requestId: string) => void
}

/**
 * Headers of every answer. Scripts and styles come from here alone and never stand in the page, so
 * that text of a stranger, such as a name of an object, cannot become one.
 */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
} as const

const YEAR_SECONDS = 31_536_000

/**
 * The door of the console: its files, from memory. They are the same for everybody and have no
 * secret in them, so nobody is asked who they are; what the page shows comes through `/v1`, signed.
 */
export class UiDoor {
  readonly #options: UiDoorOptions
  #files: Promise<ReadonlyMap<string, ConsoleFile> | undefined> | undefined

  constructor(options: UiDoorOptions) {
    this.#options = options
  }

  /** Answers any request for `/ui` and below. Never rejects. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedMs = performance.now()
    const requestId = newRequestId()
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value)
    response.setHeader('Forebay-Request-Id', requestId)
    try {
      await this.#answer(request, response)
    } catch (error) {
      this.#options.report(error, requestId)
      sendText(response, 500, 'The console cannot be read; the log says why.')
    }
    const durationMs = performance.now() - startedMs
    this.#options.onAnswer?.({
      requestId,
      timeMs: Date.now() - durationMs,
      remoteAddress: request.socket.remoteAddress ?? '',
      user: undefined,
      operation: 'ui',
      bucket: undefined,
      key: undefined,
      status: response.statusCode,
      errorCode: undefined,
      bytesIn: 0,
      bytesOut: request.method === 'HEAD' ? 0 : Number(response.getHeader('content-length') ?? 0),
      durationMs,
      cache: undefined,
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD')
      // A body that nobody reads would be taken for the next request.
      response.setHeader('Connection', 'close')
      return sendText(response, 405, 'The console is only read.')
    }
    const path = (request.url ?? '').split('?', 1)[0] ?? ''
    if (path === '/ui') {
      response.setHeader('Location', '/ui/')
      return sendText(response, 308, 'The console is at /ui/.')
    }
    if (path === '/ui/session.json') return sendSession(response, this.#options.session)
    const files = await this.#open()
    if (files === undefined) {
      return sendText(
        response,
        503,
        'The console is not built here. Run npm run setup, then ask again.',
      )
    }
    const file = files.get(path === '/ui/' ? 'index.html' : path.slice('/ui/'.length))
    if (file === undefined) return sendText(response, 404, 'The console has no such page.')
    sendFile(request, response, file)
  }

  /** Reads the files once they are there; they stay until the process ends. */
  async #open(): Promise<ReadonlyMap<string, ConsoleFile> | undefined> {
    this.#files ??= readConsole(this.#options.folder)
    try {
      const files = await this.#files
      if (files === undefined) this.#files = undefined
      return files
    } catch (error) {
      this.#files = undefined
      throw error
    }
  }
}

function sendFile(request: IncomingMessage, response: ServerResponse, file: ConsoleFile): void {
  const takesGzip = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/.test(
    String(request.headers['accept-encoding'] ?? ''),
  )
  const packed = takesGzip ? file.gzip : undefined
  const { etag, bytes } = packed ?? file
  response.setHeader('ETag', etag)
  response.setHeader('Vary', 'Accept-Encoding')
  response.setHeader(
    'Cache-Control',
    file.immutable ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-cache',
  )
  // RFC 9110 §13.1.2; weak comparison, as it says there.
  const known = (request.headers['if-none-match'] ?? '').split(',').map((tag) => tag.trim())
  if (known.includes('*') || known.includes(etag) || known.includes(`W/${etag}`)) {
    response.writeHead(304).end()
    return
  }
  if (packed !== undefined) response.setHeader('Content-Encoding', 'gzip')
  response.setHeader('Content-Type', file.contentType)
  response.setHeader('Content-Length', bytes.length)
  response.writeHead(200)
  response.end(bytes)
}

function sendSession(response: ServerResponse, session: UiDoorOptions['session']): void {
  const bytes = Buffer.from(JSON.stringify(session))
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('Content-Type', 'application/json; charset=utf-8')
  response.setHeader('Content-Length', bytes.length)
  response.writeHead(200)
  response.end(bytes)
}

function sendText(response: ServerResponse, status: number, text: string): void {
  const bytes = Buffer.from(`${text}\n`)
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('Content-Type', 'text/plain; charset=utf-8')
  response.setHeader('Content-Length', bytes.length)
  response.writeHead(status)
  response.end(bytes)
}
