import type { Digester } from '@forebay/base/hash/digester'
import type { Checksum } from '@forebay/model/checksum'

/** Digests by the name of their algorithm, in lower-case hexadecimal. */
export type Digests = ReadonlyMap<string, string>

/** The digests of an object whose bytes come in a row; there are none once the row is broken. */
export class RowDigest {
  #digester: Digester | undefined
  #digests: Promise<Digests> | undefined
  #proven = false

  /** True while the bytes come in a row. */
  get isRunning(): boolean {
    return this.#digester !== undefined
  }

  /** True when all bytes came and are those that the backend states; they need not be in a file yet. */
  get isProven(): boolean {
    return this.#proven
  }

  start(digester: Digester): void {
    this.#digester = digester
  }

  /**
   * The row is broken. Behind its end, too: what is not in the file by then comes by another connection,
   * of which these digests tell nothing. Who asked for them before has them still.
   */
  abandon(): void {
    if (this.#digests === undefined) this.#digester?.abandon()
    this.#digester = undefined
    this.#digests = undefined
    this.#proven = false
  }

  /** The row is at its end: readers need not wait for the disk. Of wrong bytes the end of the fill tells. */
  prove(stated: Checksum | undefined, onProven: () => void): void {
    if (stated === undefined) return
    const ending = this.end()
    ending?.then(
      (digests) => {
        if (this.#digests !== ending) return
        this.#proven = digests.get(stated.algorithm) === stated.hex
        if (this.#proven) onProven()
      },
      () => undefined,
    )
  }

  /** The row is at its end. @returns undefined where there is none; the same each time */
  end(): Promise<Digests> | undefined {
    this.#digests ??= this.#digester?.digest()
    return this.#digests
  }
}
