import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Failure } from '@forebay/base/failure'
import { JSON_BODY_BYTES_MAX } from '@forebay/base/limits'
import { type ActionMessage, decodeAction } from '@forebay/wire/action'
import { signedPayloadHash } from './payload-hash.ts'

/**
 * Reads a small text body.
 *
 * @returns an empty string when there is none
 * @throws Failure `payload-too-large` before more than the limit was kept, `json-malformed` for bytes
 * that are not UTF-8, `body-incomplete`
 */
export async function readText(raw: IncomingMessage, signal: AbortSignal): Promise<string> {
  const declared = Number(raw.headers['content-length'] ?? 0)
  if (declared > JSON_BODY_BYTES_MAX) throw tooLarge(false)
  const chunks: Buffer[] = []
  let lengthBytes = 0
  await new Promise<void>((resolve, reject) => {
    const leave = (): void => reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    raw.on('data', (chunk: Buffer) => {
      lengthBytes += chunk.length
      if (lengthBytes <= JSON_BODY_BYTES_MAX) chunks.push(chunk)
      else reject(tooLarge(true))
    })
    raw.once('end', () => {
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

/** With a length unknown the connection is given up, else Node reads past the rest. */
function tooLarge(close: boolean): Failure {
  return new Failure(
    'payload-too-large',
    `the body of this request may have ${JSON_BODY_BYTES_MAX} bytes`,
    { facts: { close } },
  )
}
