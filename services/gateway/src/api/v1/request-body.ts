import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Failure } from '@forebay/base/failure'
import { JSON_BODY_BYTES_MAX } from '@forebay/base/limits'
import { type ActionMessage, decodeAction } from '@forebay/wire/action'
import { type Json, parseJson } from '@forebay/wire/json'
import { signedPayloadHash } from './payload-hash.ts'

/** Longest pause of a client within a small body, ms. */
const STALL_MS = 30_000

/**
 * Reads a small text body.
 *
 * @returns an empty string when there is none
 * @throws Failure `payload-too-large` before more than the limit was kept, `json-malformed` for bytes
 * that are not UTF-8, `body-incomplete`, `request-timeout`
 */
export async function readText(
  raw: IncomingMessage,
  signal: AbortSignal,
  bytesMax: number = JSON_BODY_BYTES_MAX,
): Promise<string> {
  const declared = Number(raw.headers['content-length'] ?? 0)
  if (declared > bytesMax) throw tooLarge(bytesMax, false)
  const chunks: Buffer[] = []
  let lengthBytes = 0
  await new Promise<void>((resolve, reject) => {
    const leave = (): void => reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    const timer = setTimeout(() => reject(stalled()), STALL_MS)
    raw.once('close', () => clearTimeout(timer))
    raw.on('data', (chunk: Buffer) => {
      timer.refresh()
      lengthBytes += chunk.length
      if (lengthBytes <= bytesMax) chunks.push(chunk)
      else reject(tooLarge(bytesMax, true))
    })
    raw.once('end', () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', leave)
      resolve()
    })
    raw.once('error', (cause) =>
      reject(new Failure('body-incomplete', 'the request body broke off', { cause })),
    )
  })
  const bytes = Buffer.concat(chunks)
  checkPayloadHash(raw, bytes)
  return decodeUtf8(bytes)
}

/** True when the request announces a body. */
export function hasBody(raw: IncomingMessage): boolean {
  const length = raw.headers['content-length']
  return raw.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

/** The action message of a request; `undefined` when the body is empty. */
export async function readAction(
  raw: IncomingMessage,
  signal: AbortSignal,
): Promise<ActionMessage | undefined> {
  if (!hasBody(raw)) {
    // A signed message that somebody took out on the way must not leave a plain DELETE behind.
    checkPayloadHash(raw, Buffer.alloc(0))
    return undefined
  }
  const text = await readText(raw, signal)
  return text.trim() === '' ? undefined : decodeAction(text)
}

/**
 * The JSON of a request.
 *
 * @returns `undefined` when the body is empty
 * @throws Failure `json-malformed` | `payload-too-large` | `body-incomplete`
 */
export async function readJson(
  raw: IncomingMessage,
  signal: AbortSignal,
  bytesMax: number = JSON_BODY_BYTES_MAX,
): Promise<Json | undefined> {
  const text = hasBody(raw) ? await readText(raw, signal, bytesMax) : ''
  if (!hasBody(raw)) checkPayloadHash(raw, Buffer.alloc(0))
  return text.trim() === '' ? undefined : parseJson(text)
}

function checkPayloadHash(raw: IncomingMessage, bytes: Buffer): void {
  const signed = signedPayloadHash(raw)
  if (signed === undefined || createHash('sha256').update(bytes).digest('hex') === signed) return
  throw new Failure('payload-hash-mismatch', 'the body is not the one that was signed')
}

function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new Failure('json-malformed', 'the body is not UTF-8', { cause })
  }
}

function stalled(): Failure {
  const message = `no byte of the body came for ${STALL_MS / 1000} s`
  return new Failure('request-timeout', message, { facts: { close: true } })
}

/** With a length unknown the connection is given up, else Node reads past the rest. */
function tooLarge(bytesMax: number, close: boolean): Failure {
  return new Failure('payload-too-large', `the body of this request may have ${bytesMax} bytes`, {
    facts: { close },
  })
}
