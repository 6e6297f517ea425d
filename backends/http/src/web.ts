import type { ReadResult } from '@forebay/backend-port/backend'
import type { Web, WebCall, WebEntry, WebRead } from '@forebay/backend-port/web'
import { acceptAnswer } from '@forebay/backend-transport/accept-answer'
import { createAddressGuard } from '@forebay/backend-transport/address-guard'
import { pinHeaders, unlessHeaders } from '@forebay/backend-transport/conditional-headers'
import { headerOf } from '@forebay/backend-transport/exchange'
import { Failure } from '@forebay/base/failure'
import { attributesOf, encodingOf } from './answer-headers.ts'
import { failureOf } from './classify-answer.ts'
import {
  type Connection,
  describe,
  type HttpOptions,
  openConnection,
  sendRequest,
  skipBody,
  type WebRequest,
} from './connection.ts'
import { describeUrl, parseWebUrl } from './http-source.ts'
import { INDEX_KEPT_MAX, readIndex } from './index-pages.ts'
import { checkDelimited, readRefusal } from './read-object.ts'
import { readBytes } from './untold-length.ts'

/** Opens nothing yet; `close` ends all connections, with what is under way on them. */
export function openWeb(options: HttpOptions): Web & { close(): Promise<void> } {
  const connection = openConnection(options)
  const guard = createAddressGuard(options.allow, options.resolve)
  const indexes = new KeptIndexes(connection)
  return {
    checkUrl(text) {
      const url = parseWebUrl(text)
      guard.checkHost(url.hostname)
      return url
    },
    read: (read) => readFile(connection, read),
    readIndex: (call) => indexes.read(call),
    readText: (call) => readText(connection, call),
    close: () => connection.agent.destroy(),
  }
}

/** Index pages that were read a moment ago: a large one is asked for by each step of a crawl. */
class KeptIndexes {
  readonly #connection: Connection
  readonly #kept = new Map<
    string,
    { readonly entries: readonly WebEntry[]; readonly readAt: number }
  >()
  #count = 0

  constructor(connection: Connection) {
    this.#connection = connection
  }

  async read(
    call: WebCall & { readonly keptMs?: number | undefined },
  ): Promise<readonly WebEntry[] | undefined> {
    const { clock } = this.#connection
    const id = JSON.stringify([call.url.href, call.headers])
    const kept = this.#kept.get(id)
    if (kept !== undefined && clock.monotonic() - kept.readAt < (call.keptMs ?? 0)) {
      return kept.entries
    }
    const entries = await readIndex(this.#connection, requestOf(call))
    this.#drop(id)
    if (entries !== undefined) this.#keep(id, entries)
    return entries
  }

  #keep(id: string, entries: readonly WebEntry[]): void {
    this.#kept.set(id, { entries, readAt: this.#connection.clock.monotonic() })
    this.#count += entries.length + 1
    for (const oldest of this.#kept.keys()) {
      if (this.#count <= INDEX_KEPT_MAX) break
      this.#drop(oldest)
    }
  }

  #drop(id: string): void {
    const kept = this.#kept.get(id)
    if (kept === undefined) return
    this.#kept.delete(id)
    this.#count -= kept.entries.length + 1
  }
}

function requestOf(call: WebCall, headers: WebRequest['headers'] = {}): WebRequest {
  return { method: 'GET', url: call.url, headers, originHeaders: call.headers, signal: call.signal }
}

async function readFile(connection: Connection, read: WebRead): Promise<ReadResult> {
  const { range, pin, unless } = read
  const request = requestOf(read, {
    ...(range === undefined
      ? {}
      : { range: `bytes=${range.offset}-${range.offset + range.lengthBytes - 1}` }),
    ...pinHeaders(pin),
    ...unlessHeaders(unless),
  })
  const answer = await sendRequest(connection, request)
  if (answer.isDirectory || (answer.status !== 200 && answer.status !== 206)) {
    return readRefusal(answer, request, read)
  }
  const what = describe(request)
  try {
    checkDelimited(answer, what)
    return acceptAnswer(answer, { what, read: { ...read, key: read.url.pathname }, attributesOf })
  } catch (error) {
    answer.body.discard()
    throw error
  }
}

async function readText(
  connection: Connection,
  call: WebCall & { readonly bytesMax: number },
): Promise<{ readonly text: string; readonly next: URL | undefined }> {
  const request = requestOf(call)
  const answer = await sendRequest(connection, request)
  const what = describe(request)
  if (answer.isDirectory || answer.status !== 200) {
    await skipBody(answer)
    if (answer.isDirectory) throw new Failure('object-not-found', `${what} is a directory`)
    throw failureOf(answer, what)
  }
  try {
    const encoding = encodingOf(answer.headers)
    if (encoding !== undefined) {
      const message = `${what}: the document is encoded (${encoding}) although nobody asked for that`
      throw new Failure('backend-refused', message)
    }
    checkDelimited(answer, what)
    const next = nextOf(headerOf(answer.headers, 'link'), answer.url)
    const bytes = await readBytes(answer.body, call.bytesMax, () => {
      const message = `${what}: the document is over ${call.bytesMax} bytes`
      return new Failure('backend-refused', message)
    })
    return { text: bytes.toString('utf8'), next }
  } catch (error) {
    answer.body.discard()
    throw error
  }
}

/** @throws Failure `backend-refused` for another origin, to which headers of the first would go */
function nextOf(link: string | undefined, from: URL): URL | undefined {
  const target = /<([^<>]*)>\s*;[^<>,]*\brel="?next"?/i.exec(link ?? '')?.[1]
  if (target === undefined) return undefined
  const next = URL.parse(target, from)
  if (next?.origin === from.origin) return next
  const message = `${describeUrl(from)} goes on at another origin, which is not followed`
  throw new Failure('backend-refused', message)
}
