/** Signing keys of Signature Version 4, and signatures made and compared with them. */
import { createHmac, hash, timingSafeEqual } from 'node:crypto'

/** Signing keys kept at a time; one is about 1.5 KiB, a client needs one per day and region. */
export const SIGNING_KEYS_MAX = 1024

/** Digits of a signature. */
export const SIGNATURE_LENGTH = 64

/** Of SHA-256, bytes. */
const BLOCK_BYTES = 64
const DIGEST_BYTES = 32

/** Longest text that is signed in a key's own buffer, bytes; a string to sign has some 150 to 350. */
const TEXT_BYTES_MAX = 1024

/** Most bytes that a UTF-16 unit takes in UTF-8. */
const UNIT_BYTES_MAX = 3

/** RFC 2104 §2: what the key is combined with for the inner and the outer hash. */
const INNER_PAD = 0x36
const OUTER_PAD = 0x5c

/** What a signing key is derived from. */
export interface SigningKeyFor {
  readonly accessKey: string
  readonly secretKey: string
  /** `20260131` */
  readonly date: string
  readonly region: string
  readonly service: string
}

/**
 * A key that signs many texts. HMAC is made here of two one-shot hashes (RFC 2104 §2): the padded keys are
 * computed once, and no object of the cipher library is made and collected for each request.
 */
export class SigningKey {
  readonly #bytes: Buffer
  /** The padded key and room for the text behind it. */
  readonly #inner = Buffer.alloc(BLOCK_BYTES + TEXT_BYTES_MAX)
  /** The padded key and room for the inner hash behind it. */
  readonly #outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES)
  /** The used part of `#inner`: texts of one client have one length. */
  #used = this.#inner

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    const padded = bytes.length <= BLOCK_BYTES ? bytes : hash('sha256', bytes, 'buffer')
    for (let at = 0; at < BLOCK_BYTES; at++) {
      const byte = padded[at] ?? 0
      this.#inner[at] = byte ^ INNER_PAD
      this.#outer[at] = byte ^ OUTER_PAD
    }
  }

  /** HMAC-SHA-256 of the UTF-8 of `text`: 64 lower-case hexadecimal digits, or in Base64. */
  sign(text: string, encoding: 'hex' | 'base64' = 'hex'): string {
    if (text.length * UNIT_BYTES_MAX > TEXT_BYTES_MAX) {
      return createHmac('sha256', this.#bytes).update(text).digest(encoding)
    }
    const usedBytes = BLOCK_BYTES + this.#inner.write(text, BLOCK_BYTES, 'utf8')
    if (this.#used.length !== usedBytes) this.#used = this.#inner.subarray(0, usedBytes)
    this.#outer.write(hash('sha256', this.#used, 'latin1'), BLOCK_BYTES, 'latin1')
    return hash('sha256', this.#outer, encoding)
  }
}

/**
 * Derived signing keys, the least recently used dropped first. Deriving takes four HMACs, which is
 * most of what a verification would cost. A key is used only with the secret it was derived from,
 * so a changed secret counts at once.
 */
export class SigningKeys {
  readonly #entries = new Map<string, { readonly secretKey: string; readonly key: SigningKey }>()
  readonly #entriesMax: number
  /** The one used last, which most requests use again. */
  #last: { readonly wanted: SigningKeyFor; readonly key: SigningKey } | undefined

  constructor(entriesMax: number = SIGNING_KEYS_MAX) {
    this.#entriesMax = entriesMax
  }

  get size(): number {
    return this.#entries.size
  }

  get(wanted: SigningKeyFor): SigningKey {
    if (this.#last === undefined || !isSame(this.#last.wanted, wanted)) {
      this.#last = { wanted, key: this.#find(wanted) }
    }
    return this.#last.key
  }

  #find(wanted: SigningKeyFor): SigningKey {
    const name = `${wanted.accessKey}\n${wanted.date}\n${wanted.region}\n${wanted.service}`
    const found = this.#entries.get(name)
    if (found?.secretKey === wanted.secretKey) {
      this.#entries.delete(name)
      this.#entries.set(name, found)
      return found.key
    }
    const key = deriveSigningKey(wanted)
    this.#entries.set(name, { secretKey: wanted.secretKey, key })
    if (this.#entries.size > this.#entriesMax) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest)
        break
      }
    }
    return key
  }
}

function isSame(one: SigningKeyFor, other: SigningKeyFor): boolean {
  return (
    one.accessKey === other.accessKey &&
    one.secretKey === other.secretKey &&
    one.date === other.date &&
    one.region === other.region &&
    one.service === other.service
  )
}

/** The signing key itself, not cached. */
export function deriveSigningKey(wanted: SigningKeyFor): SigningKey {
  const date = createHmac('sha256', `AWS4${wanted.secretKey}`).update(wanted.date).digest()
  const region = createHmac('sha256', date).update(wanted.region).digest()
  const service = createHmac('sha256', region).update(wanted.service).digest()
  return new SigningKey(createHmac('sha256', service).update('aws4_request').digest())
}

/** The signature of `text`: 64 lower-case hexadecimal digits. */
export function signatureOf(key: SigningKey, text: string): string {
  return key.sign(text)
}

const stated = Buffer.alloc(SIGNATURE_LENGTH)
const computed = Buffer.alloc(SIGNATURE_LENGTH)

/** Whether two signatures are equal, in a time that does not depend on where they differ. */
export function equalSignatures(one: string, other: string): boolean {
  if (one.length !== SIGNATURE_LENGTH || other.length !== SIGNATURE_LENGTH) return false
  stated.write(one, 'latin1')
  computed.write(other, 'latin1')
  return timingSafeEqual(stated, computed)
}

/** Whether `text` is a SHA-256 in lower-case hexadecimal, which is also the form of a signature. */
export function isSha256Hex(text: string): boolean {
  if (text.length !== SIGNATURE_LENGTH) return false
  for (let at = 0; at < SIGNATURE_LENGTH; at++) {
    if (HEX_DIGITS[text.charCodeAt(at)] !== 1) return false
  }
  return true
}

/** 1 for the codes of lower-case hexadecimal digits. */
const HEX_DIGITS = new Uint8Array(128)
for (const digit of '0123456789abcdef') HEX_DIGITS[digit.charCodeAt(0)] = 1
