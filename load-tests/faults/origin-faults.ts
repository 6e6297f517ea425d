import type { IncomingMessage, ServerResponse } from 'node:http'
import { Random } from './random.ts'

/** What an origin does wrong with one request. */
export type OriginFault =
  /** Refuses; nothing is applied. */
  | { readonly kind: 'status'; readonly status: 429 | 500 | 503; readonly retryAfter?: number }
  /** Breaks the connection before it answers; nothing is applied. */
  | { readonly kind: 'reset' }
  /** Applies, and breaks the connection instead of answering. */
  | { readonly kind: 'lost' }
  /** Applies, and does not answer. */
  | { readonly kind: 'stall' }
  /** Breaks the connection after this share of the body, 0..1. */
  | { readonly kind: 'cut'; readonly share: number }
  /** Says nothing more after this share of the body, 0..1. */
  | { readonly kind: 'stall-body'; readonly share: number }
  /** Announces all bytes, sends fewer and ends the connection in order. */
  | { readonly kind: 'short' }
  /** Sends more bytes than it announces. */
  | { readonly kind: 'long' }
  /** Announces and sends fewer bytes than the object has. */
  | { readonly kind: 'length' }
  /** Names another version than the one whose bytes it sends. */
  | { readonly kind: 'etag' }
  /** Sends one wrong byte. */
  | { readonly kind: 'byte' }

export type FaultKind = OriginFault['kind']

/** A request as far as faults are chosen by it. */
export type Spoilable = { readonly method: string; readonly key: string }

/** The answer that would be right. */
export type PlainReply = {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: Buffer | string | undefined
}

const READ_FAULTS: readonly ((random: Random) => OriginFault)[] = [
  (random) => ({ kind: 'status', status: random.pick([503, 429, 500]) }),
  () => ({ kind: 'status', status: 503, retryAfter: 1 }),
  () => ({ kind: 'reset' }),
  (random) => ({ kind: 'cut', share: random.next() }),
  () => ({ kind: 'short' }),
  () => ({ kind: 'long' }),
  () => ({ kind: 'length' }),
  (random) => ({ kind: 'stall-body', share: random.next() }),
  () => ({ kind: 'stall' }),
  () => ({ kind: 'etag' }),
  () => ({ kind: 'byte' }),
]

/** A head alone that states a wrong length is nothing that anybody could see through. */
const HEAD_FAULTS: readonly ((random: Random) => OriginFault)[] = [
  (random) => ({ kind: 'status', status: random.pick([503, 429, 500]) }),
  () => ({ kind: 'status', status: 503, retryAfter: 1 }),
  () => ({ kind: 'reset' }),
  () => ({ kind: 'stall' }),
  () => ({ kind: 'etag' }),
]

const CHANGE_FAULTS: readonly ((random: Random) => OriginFault)[] = [
  (random) => ({ kind: 'status', status: random.pick([503, 429, 500]) }),
  () => ({ kind: 'reset' }),
  () => ({ kind: 'lost' }),
  () => ({ kind: 'stall' }),
]

/** Chooses faults by seed: the n-th request for a key and method fares the same in every run. */
export class FaultPlan {
  readonly #seed: number
  readonly #share: number
  readonly #counts = new Map<string, number>()
  readonly chosen = new Map<FaultKind, number>()

  /** @param share of the requests that are spoilt, 0..1 */
  constructor(seed: number, share: number) {
    this.#seed = seed
    this.#share = share
  }

  choose({ method, key }: Spoilable): OriginFault | undefined {
    const id = `${method} ${key}`
    const count = this.#counts.get(id) ?? 0
    this.#counts.set(id, count + 1)
    const random = new Random(this.#seed, 'fault', id, count)
    if (random.next() >= this.#share) return undefined
    const kinds = method === 'GET' ? READ_FAULTS : method === 'HEAD' ? HEAD_FAULTS : CHANGE_FAULTS
    const fault = kinds[random.below(kinds.length)]?.(random)
    if (fault !== undefined) this.chosen.set(fault.kind, (this.chosen.get(fault.kind) ?? 0) + 1)
    return fault
  }
}

/** True for faults after which the request has no effect. */
export function isRefusal(fault: OriginFault): boolean {
  return fault.kind === 'status' || fault.kind === 'reset'
}

/** Answers wrongly. A HEAD has no body to spoil: it is answered with what is wrong in its head. */
export function sendSpoilt(
  message: IncomingMessage,
  response: ServerResponse,
  { fault, reply }: { readonly fault: OriginFault; readonly reply: PlainReply },
): void {
  const body = Buffer.from(reply.body ?? '')
  const { socket } = message
  const write = (lengthBytes: number, bytes: Buffer, headers = reply.headers): void => {
    response.writeHead(reply.status, { ...headers, 'content-length': String(lengthBytes) })
    if (message.method !== 'HEAD') response.write(bytes)
    else response.end()
  }
  switch (fault.kind) {
    case 'status': {
      const retryAfter = fault.retryAfter
      const code = fault.status === 500 ? 'InternalError' : 'SlowDown'
      response.writeHead(
        fault.status,
        retryAfter === undefined ? {} : { 'retry-after': `${retryAfter}` },
      )
      response.end(message.method === 'HEAD' ? undefined : `<Error><Code>${code}</Code></Error>`)
      return
    }
    case 'reset':
    case 'lost':
      socket.resetAndDestroy()
      return
    case 'stall':
      return
    case 'cut':
      write(body.length, body.subarray(0, Math.floor(body.length * fault.share)))
      setImmediate(() => socket.destroy())
      return
    case 'stall-body':
      write(body.length, body.subarray(0, Math.floor(body.length * fault.share)))
      return
    case 'short':
      write(body.length, body.subarray(0, Math.max(0, body.length - 3)))
      setImmediate(() => socket.end())
      return
    case 'long':
      write(body.length, body)
      response.end(() => socket.end('more than was announced'))
      return
    case 'length': {
      const fewer = body.subarray(0, Math.max(0, body.length - 5))
      write(fewer.length, fewer)
      response.end()
      return
    }
    case 'etag':
      write(body.length, body, { ...reply.headers, etag: '"0123456789abcdef0123456789abcdef"' })
      response.end()
      return
    case 'byte': {
      const spoilt = Buffer.from(body)
      const at = Math.floor(spoilt.length / 2)
      if (spoilt.length > 0) spoilt[at] = (spoilt[at] ?? 0) ^ 1
      write(spoilt.length, spoilt)
      response.end()
      return
    }
    default:
      fault satisfies never
  }
}
