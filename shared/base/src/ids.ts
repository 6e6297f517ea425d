import { randomFillSync } from 'node:crypto'

/** Crockford's base 32, upper case: no I, L, O, U, so that people can read an id aloud. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** Every pair of characters: 10 random bits are one look-up. */
const PAIRS: readonly string[] = Array.from(
  { length: 1024 },
  (_, at) => ALPHABET.charAt(at >> 5) + ALPHABET.charAt(at & 31),
)

/** Random words fetched at once: one system call serves 512 request ids. */
const POOL_WORDS = 4096

/** Fills a buffer with random bytes; an argument, so that a test can play them by seed. */
export type RandomFill = (words: Uint16Array) => void

/** Makes ids of `2 * pairs` characters, 10 random bits a pair. */
export class IdSource {
  readonly #fill: RandomFill
  readonly #pool = new Uint16Array(POOL_WORDS)
  #at = POOL_WORDS

  constructor(fill: RandomFill = (words) => randomFillSync(words)) {
    this.#fill = fill
  }

  /** An id of a request, 16 characters as S3's are: 80 random bits. */
  requestId(): string {
    return (
      this.#pair() +
      this.#pair() +
      this.#pair() +
      this.#pair() +
      this.#pair() +
      this.#pair() +
      this.#pair() +
      this.#pair()
    )
  }

  /** An id of a node or a cluster, 12 characters: 60 random bits, unique among any number of nodes. */
  nodeId(): string {
    return this.#pair() + this.#pair() + this.#pair() + this.#pair() + this.#pair() + this.#pair()
  }

  #pair(): string {
    if (this.#at === POOL_WORDS) {
      this.#fill(this.#pool)
      this.#at = 0
    }
    const word = this.#pool[this.#at++] ?? 0
    return PAIRS[word & 1023] ?? '00'
  }
}

const ids = new IdSource()

/** A fresh request id: 16 characters of base 32, upper case, 80 random bits. */
export function newRequestId(): string {
  return ids.requestId()
}

/** A fresh id for a node or a cluster: 12 characters of base 32, upper case, 60 random bits. */
export function newNodeId(): string {
  return ids.nodeId()
}

/** True for what `newNodeId` makes. */
export function isNodeId(text: string): boolean {
  return /^[0-9A-HJKMNP-TV-Z]{12}$/.test(text)
}
