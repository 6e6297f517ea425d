import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { FailureCode } from '@forebay/base/failure'
import { Random } from '../faults/random.ts'

/** What is odd about a file, and what comes of it. */
const ODD = {
  redirect: { count: 20, code: undefined },
  'redirect-elsewhere': { count: 5, code: undefined },
  'redirect-private': { count: 3, code: 'backend-refused' },
  'redirect-metadata': { count: 1, code: 'backend-refused' },
  'redirect-for-ever': { count: 2, code: 'backend-refused' },
  'untold-length': { count: 100, code: undefined },
  encoded: { count: 5, code: undefined },
  changing: { count: 8, code: undefined },
  'changing-without-tag': { count: 4, code: undefined },
  absent: { count: 4, code: 'object-not-found' },
  forbidden: { count: 2, code: 'backend-denied' },
  broken: { count: 2, code: 'backend-unreachable' },
  'too-short': { count: 1, code: 'backend-unreachable' },
  'untold-end': { count: 2, code: 'backend-refused' },
  endless: { count: 1, code: 'entity-too-large' },
  stalling: { count: 1, code: 'backend-timeout' },
} as const satisfies Record<string, { count: number; code: FailureCode | undefined }>

type Oddity = keyof typeof ODD

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

interface WebFile {
  readonly path: string
  readonly oddity: Oddity | 'none'
  /** Before it changes, where it does. */
  readonly before: Buffer
  readonly bytes: Buffer
  readonly validator: 'etag' | 'last-modified' | 'none'
}

export interface WebTreeOptions {
  readonly seed: number
  readonly fileCount: number
  /** Share of answers that fail for the moment, 0..1. */
  readonly faultShare: number
}

/** A tree of files on web servers that misbehave, the same for the same seed. */
export interface WebTree {
  /** URL of the directory, with its slash. */
  readonly url: string
  /** Bytes of the files that can be had in the end. */
  readonly expected: ReadonlyMap<string, Buffer>
  /** Code of each file that cannot. */
  readonly failing: ReadonlyMap<string, FailureCode>
  /** Files whose server says by what it can be known again. */
  readonly known: ReadonlySet<string>
  readonly requestCount: number
  /** Faults that were answered, by their sort. */
  readonly faults: ReadonlyMap<string, number>
  /** What cannot be had can be from now on. */
  heal(): void
  close(): Promise<void>
}

const LAST_MODIFIED = 'Wed, 01 Jan 2025 00:00:00 GMT'
const DIRECTORIES = 12

/** Longest file, bytes; a limit of a job stands above it. */
export const TREE_FILE_BYTES_MAX = 64 * 1024

export async function startWebTree(options: WebTreeOptions): Promise<WebTree> {
  const state = new TreeState(options)
  const other = await listen((_, response) => state.answerBytes(response, Buffer.from('elsewhere')))
  state.elsewhere = urlOf(other)
  const server = await listen((request, response) => state.answer(request, response))
  return {
    url: `${urlOf(server)}/tree/`,
    expected: state.expected(),
    failing: state.failing(),
    known: state.known(),
    faults: state.faults,
    get requestCount() {
      return state.requestCount
    },
    heal: () => state.heal(),
    close: async () => {
      for (const one of [server, other]) {
        one.closeAllConnections()
        await new Promise((resolve) => one.close(resolve))
      }
    },
  }
}

class TreeState {
  elsewhere = ''
  requestCount = 0
  readonly faults = new Map<string, number>()
  readonly #options: WebTreeOptions
  readonly #files = new Map<string, WebFile>()
  /** Requests of a path so far: what is answered depends on nothing else. */
  readonly #asked = new Map<string, number>()
  #healed = false

  constructor(options: WebTreeOptions) {
    this.#options = options
    const random = new Random(options.seed)
    const oddities = Object.entries(ODD).flatMap(([oddity, { count }]) =>
      Array.from({ length: count }, () => oddity as Oddity),
    )
    for (let index = 0; index < options.fileCount; index++) {
      // The odd ones stand between the others.
      const isOdd =
        oddities.length > 0 && random.next() * (options.fileCount - index) < oddities.length
      const oddity = isOdd
        ? (oddities.splice(random.below(oddities.length), 1)[0] ?? 'none')
        : 'none'
      const file = makeFile(random, index, oddity)
      this.#files.set(file.path, file)
    }
  }

  expected(): ReadonlyMap<string, Buffer> {
    return new Map(
      [...this.#files.values()]
        .filter(({ oddity }) => codeOf(oddity) === undefined)
        .map(({ path, oddity, bytes }) => [
          path,
          oddity === 'redirect-elsewhere' ? Buffer.from('elsewhere') : bytes,
        ]),
    )
  }

  failing(): ReadonlyMap<string, FailureCode> {
    return new Map(
      [...this.#files.values()].flatMap(({ path, oddity }) => {
        const code = codeOf(oddity)
        return code === undefined ? [] : [[path, code] as const]
      }),
    )
  }

  known(): ReadonlySet<string> {
    const known = [...this.#files.values()].filter(
      ({ oddity, validator }) => codeOf(oddity) === undefined && validator !== 'none',
    )
    return new Set(
      known.filter(({ oddity }) => oddity !== 'redirect-elsewhere').map(({ path }) => path),
    )
  }

  heal(): void {
    this.#healed = true
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    this.requestCount += 1
    const path = decodeURIComponent((request.url ?? '').replace(/\?.*$/, ''))
    const asked = this.#asked.get(path) ?? 0
    this.#asked.set(path, asked + 1)
    const key = path.replace(/^\/(tree|moved)\//, '')
    const file = this.#files.get(key)
    const exchange = { request, response }
    if (file?.oddity.startsWith('changing') && asked === 0 && !this.#healed) {
      breakHalfway(file, response)
    } else if (!this.#failsNow(path, asked, response)) {
      if (file === undefined) this.#answerIndex(key, response)
      else if (path.startsWith('/moved/') || this.#healed) this.#answerFile(file, exchange)
      else this.#answerOdd(file, exchange)
    }
  }

  answerBytes(response: ServerResponse, bytes: Buffer): void {
    response.setHeader('content-length', bytes.length)
    response.end(bytes)
  }

  /** One in so many answers, and never the same path three times: that would be no fault of a moment. */
  #failsNow(path: string, asked: number, response: ServerResponse): boolean {
    const random = new Random(hash(`${this.#options.seed}/${path}/${asked}`))
    if (random.next() >= this.#options.faultShare || asked % 3 === 2) return false
    const fault = (['reset', '500', '503', 'cut'] as const)[random.below(4)] ?? 'reset'
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1)
    switch (fault) {
      case 'reset':
        response.socket?.destroy()
        break
      case 'cut':
        response.setHeader('content-length', 1000)
        response.write('half', () => response.socket?.destroy())
        break
      case '500':
      case '503':
        response.statusCode = Number(fault)
        response.setHeader('retry-after', 0)
        response.end('a fault')
        break
      default:
        fault satisfies never
    }
    return true
  }

  #answerOdd(file: WebFile, exchange: Exchange): void {
    const { response } = exchange
    switch (file.oddity) {
      case 'redirect':
        redirect(response, `/moved/${encodeURI(file.path)}`)
        break
      case 'redirect-elsewhere':
        redirect(response, `${this.elsewhere}/f`)
        break
      case 'redirect-private':
        redirect(response, 'http://10.11.12.13/f')
        break
      case 'redirect-metadata':
        redirect(response, 'http://169.254.169.254/latest/meta-data/')
        break
      case 'redirect-for-ever':
        redirect(response, `/tree/${encodeURI(file.path)}?${Math.random()}`)
        break
      case 'absent':
      case 'forbidden':
      case 'broken':
        response.statusCode = { absent: 404, forbidden: 403, broken: 500 }[file.oddity]
        response.end('no')
        break
      case 'too-short':
        response.setHeader('content-length', 1000)
        response.write('some', () => response.socket?.destroy())
        break
      case 'untold-end':
        // Not by `response`: it would send chunks, which have an end.
        response.socket?.end('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nsome bytes')
        break
      case 'endless':
        sendForEver(response)
        break
      case 'stalling':
        response.setHeader('content-length', 1000)
        response.write('some')
        break
      default:
        this.#answerFile(file, exchange)
    }
  }

  #answerFile(file: WebFile, { request, response }: Exchange): void {
    const etag = `"${hash(file.bytes.toString('latin1'))}"`
    if (file.validator === 'etag') response.setHeader('etag', etag)
    if (file.validator === 'last-modified') response.setHeader('last-modified', LAST_MODIFIED)
    const { 'if-none-match': noneMatch, 'if-modified-since': since, range } = request.headers
    if (file.oddity === 'encoded') response.setHeader('content-encoding', 'gzip')
    if (noneMatch === etag || since === LAST_MODIFIED) {
      response.statusCode = 304
      response.end()
      return
    }
    const from = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? Number.NaN)
    if (from < file.bytes.length) {
      response.statusCode = 206
      const range = `bytes ${from}-${file.bytes.length - 1}/${file.bytes.length}`
      response.setHeader('content-range', range)
      this.answerBytes(response, file.bytes.subarray(from))
    } else if (file.oddity === 'untold-length') {
      response.write(file.bytes.subarray(0, file.bytes.length >> 1))
      response.end(file.bytes.subarray(file.bytes.length >> 1))
    } else {
      this.answerBytes(response, file.bytes)
    }
  }

  #answerIndex(directory: string, response: ServerResponse): void {
    const names = new Set<string>()
    for (const path of this.#files.keys()) {
      if (!path.startsWith(directory)) continue
      const rest = path.slice(directory.length)
      const slash = rest.indexOf('/')
      names.add(
        slash < 0 ? encodeURIComponent(rest) : `${encodeURIComponent(rest.slice(0, slash))}/`,
      )
    }
    if (names.size === 0 || (directory !== '' && !directory.endsWith('/'))) {
      response.statusCode = 404
      response.end()
      return
    }
    const links = [...names].map((name) => `<a href="${name}">${name}</a>`)
    response.setHeader('content-type', 'text/html')
    response.end(`<html><title>Index of /</title><a href="../">../</a>${links.join('\n')}</html>`)
  }
}

function codeOf(oddity: WebFile['oddity']): FailureCode | undefined {
  return oddity === 'none' ? undefined : ODD[oddity].code
}

function makeFile(random: Random, index: number, oddity: WebFile['oddity']): WebFile {
  const directory = random.below(DIRECTORIES)
  const folder = directory % 3 === 0 ? `d${directory}` : `d${directory}/sub ${directory % 4}`
  const sizeBytes = random.below(10) === 0 ? 0 : 100 + random.below(TREE_FILE_BYTES_MAX - 100)
  const isChanging = oddity.startsWith('changing')
  const validator = (['etag', 'last-modified', 'none'] as const)[random.below(3)] ?? 'none'
  const length = isChanging ? sizeBytes + 1000 : sizeBytes
  return {
    path: `${folder}/file é ${index}.bin`,
    oddity,
    before: Buffer.alloc(length, 'before'),
    bytes: Buffer.alloc(length, `after ${index}`),
    validator: oddity === 'changing-without-tag' ? 'none' : validator,
  }
}

/** First half of one version, then the connection breaks; what is asked next is of another one. */
function breakHalfway(file: WebFile, response: ServerResponse): void {
  response.setHeader('content-length', file.before.length)
  response.setHeader('accept-ranges', 'bytes')
  if (file.oddity === 'changing') response.setHeader('etag', '"before"')
  response.write(file.before.subarray(0, file.before.length >> 1), () => {
    setTimeout(() => response.socket?.destroy(), 20)
  })
}

function redirect(response: ServerResponse, location: string): void {
  response.statusCode = 302
  response.setHeader('location', location)
  response.end()
}

function sendForEver(response: ServerResponse): void {
  const chunk = Buffer.alloc(16 * 1024)
  const send = (): void => {
    if (!response.destroyed) response.write(chunk, () => setImmediate(send))
  }
  response.on('error', () => undefined)
  send()
}

/** 32 bits of FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let at = 0; at < text.length; at++) {
    value = Math.imul(value ^ text.charCodeAt(at), 0x01000193)
  }
  return value >>> 0
}

function urlOf(server: Server): string {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return `http://127.0.0.1:${address.port}`
}

function listen(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server> {
  const server = createServer(answer)
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}
