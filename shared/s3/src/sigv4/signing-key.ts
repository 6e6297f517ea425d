/** Signing keys of Signature Version 4, and signatures made and compared with them. */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'

/** Signing keys kept at a time; one is about 0.5 KiB, a client needs one per day and region. */
export const SIGNING_KEYS_MAX = 1024

const SIGNATURE_LENGTH = 64

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
 * Derived signing keys, the least recently used dropped first. Deriving takes four HMACs, which is
 * most of what a verification would cost. A key is used only with the secret it was derived from,
 * so a changed secret counts at once.
 */
export class SigningKeys {
  readonly #entries = new Map<string, { readonly secretKey: string; readonly key: KeyObject }>()
  readonly #entriesMax: number

  constructor(entriesMax: number = SIGNING_KEYS_MAX) {
    this.#entriesMax = entriesMax
  }

  get size(): number {
    return this.#entries.size
  }

  get(wanted: SigningKeyFor): KeyObject {
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

/** The signing key itself, not cached. */
export function deriveSigningKey(wanted: SigningKeyFor): KeyObject {
  const date = createHmac('sha256', `AWS4${wanted.secretKey}`).update(wanted.date).digest()
  const region = createHmac('sha256', date).update(wanted.region).digest()
  const service = createHmac('sha256', region).update(wanted.service).digest()
  return createSecretKey(createHmac('sha256', service).update('aws4_request').digest())
}

/** The signature of `text`: 64 lower-case hexadecimal digits. */
export function signatureOf(key: KeyObject, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex')
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
  return SHA256_HEX.test(text)
}

const SHA256_HEX = /^[0-9a-f]{64}$/
