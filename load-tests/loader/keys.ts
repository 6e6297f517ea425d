/** The objects of a run: names, sizes, contents, and which version of each a reader may be given. */
import { firstDifference, mix, PIECE_BYTES_MAX, type Stamp } from './content.ts'
import { type SizeDistribution, sizeAt } from './distributions.ts'

/** Versions of one object whose kind is remembered; a read that spans more takes any of them. */
const KINDS_KEPT = 32

/** A change of one object that has been begun. */
export type Change = {
  readonly index: number
  readonly version: number
  /** Of the new body; undefined for a removal. */
  readonly sizeBytes: number | undefined
  readonly stamp: Stamp
}

/** What a read may be told: the versions from `floor` to the last one begun. */
export type ReadClaim = { readonly index: number; readonly floor: number }

/** A part of an object; `length` bytes from `offset` on, less where the object ends. */
export type Span = { readonly offset: number; readonly length: number }

/**
 * Objects whose contents follow from seed, number and version. Changes of one object never overlap,
 * so a read sees the version that was acknowledged last when it began, or a later one. A change that
 * was never answered may be made at any time after: its object is read but no longer changed.
 */
export class KeySpace {
  readonly count: number
  readonly #seed: number
  readonly #prefix: string
  readonly #sizes: SizeDistribution
  /** The last version that was acknowledged; 0: absent. */
  readonly #settled: Uint32Array
  /** The last version that was begun. */
  readonly #begun: Uint32Array
  /** A bit for each of the last versions: set when it is a removal. */
  readonly #removals: Uint32Array
  readonly #busy: Uint8Array

  constructor(options: {
    readonly count: number
    readonly seed: number
    readonly prefix: string
    readonly sizes: SizeDistribution
  }) {
    this.count = options.count
    this.#seed = options.seed
    this.#prefix = options.prefix
    this.#sizes = options.sizes
    this.#settled = new Uint32Array(options.count)
    this.#begun = new Uint32Array(options.count)
    this.#removals = new Uint32Array(options.count)
    this.#busy = new Uint8Array(options.count)
  }

  name(index: number): string {
    return `${this.#prefix}${String(index).padStart(8, '0')}`
  }

  sizeBytes(index: number, version: number): number {
    const first = mix(this.#seed, index, version * 2) / 2 ** 32
    return sizeAt(this.#sizes, first, mix(this.#seed, index, version * 2 + 1) / 2 ** 32)
  }

  stamp(index: number, version: number): Stamp {
    return { tag: [mix(this.#seed, index, 0xa11), mix(this.#seed, 0xb0b, index)], version }
  }

  /** Whether the object is there, as far as is known. */
  exists(index: number): boolean {
    const version = this.#settled[index] ?? 0
    return version > 0 && !this.#isRemoval(index, version)
  }

  /** The version that was acknowledged last; 0 when there was none. */
  settled(index: number): number {
    return this.#settled[index] ?? 0
  }

  /** Takes the object as it is after an earlier run prepared it. */
  assumePrepared(index: number): void {
    this.#begun[index] = 1
    this.#settled[index] = 1
  }

  /** Begins a change; undefined while another one of the object is under way or in doubt. */
  begin(index: number, kind: 'write' | 'removal'): Change | undefined {
    if (this.#busy[index] === 1) return undefined
    this.#busy[index] = 1
    const version = (this.#begun[index] ?? 0) + 1
    this.#begun[index] = version
    const bit = 1 << (version % KINDS_KEPT)
    const kept = this.#removals[index] ?? 0
    this.#removals[index] = kind === 'removal' ? kept | bit : kept & ~bit
    return {
      index,
      version,
      sizeBytes: kind === 'removal' ? undefined : this.sizeBytes(index, version),
      stamp: this.stamp(index, version),
    }
  }

  /** The change is known to have been made. */
  acknowledge({ index, version }: Change): void {
    this.#settled[index] = version
    this.#busy[index] = 0
  }

  /** The change was answered with a failure: it may have been made, and no later than by now. */
  release({ index }: Change): void {
    this.#busy[index] = 0
  }

  claim(index: number): ReadClaim {
    return { index, floor: this.settled(index) }
  }

  /** Versions with a body that the claim allows by now. */
  bodies({ index, floor }: ReadClaim): readonly number[] {
    return this.#allowed(index, floor).filter(
      (version) => version > 0 && !this.#isRemoval(index, version),
    )
  }

  /** Whether the claim allows that the object is absent by now. */
  mayBeAbsent({ index, floor }: ReadClaim): boolean {
    return this.#allowed(index, floor).some(
      (version) => version === 0 || this.#isRemoval(index, version),
    )
  }

  #allowed(index: number, floor: number): readonly number[] {
    const begun = this.#begun[index] ?? 0
    return Array.from({ length: begun - floor + 1 }, (_, step) => floor + step)
  }

  #isRemoval(index: number, version: number): boolean {
    if ((this.#begun[index] ?? 0) - version >= KINDS_KEPT) return false
    return ((this.#removals[index] ?? 0) & (1 << (version % KINDS_KEPT))) !== 0
  }
}

type Candidate = { readonly version: number; readonly wantedBytes: number; readonly stamp: Stamp }

/** Checks one answer while it comes in, against every version that the claim allows. */
export class AnswerCheck {
  readonly #keys: KeySpace
  readonly #claim: ReadClaim
  readonly #options: { readonly span?: Span | undefined; readonly everyByte: boolean }
  #candidates: readonly Candidate[] | undefined
  #receivedBytes = 0
  #wrong: string | undefined

  /** @param options.everyByte also checks the content; without it the length alone */
  constructor(
    keys: KeySpace,
    claim: ReadClaim,
    options: { readonly span?: Span | undefined; readonly everyByte: boolean },
  ) {
    this.#keys = keys
    this.#claim = claim
    this.#options = options
  }

  get receivedBytes(): number {
    return this.#receivedBytes
  }

  /** Takes the next bytes of the body. */
  take(bytes: Buffer): void {
    const before = this.#candidates ?? this.#findCandidates()
    this.#candidates = before
    const at = this.#receivedBytes
    this.#receivedBytes += bytes.length
    if (!this.#options.everyByte || before.length === 0) return
    const offset = (this.#options.span?.offset ?? 0) + at
    let differsAt = 0
    const after = before.filter(({ stamp, wantedBytes }) => {
      const part = bytes.subarray(0, Math.max(0, wantedBytes - at))
      const differs = firstDifference(part, stamp, offset)
      if (differs !== undefined) differsAt = Math.max(differsAt, differs)
      return differs === undefined
    })
    if (after.length === 0) {
      const versions = before.map(({ version }) => version).join(' or ')
      this.#wrong ??= `is not version ${versions} from byte ${differsAt} on`
    }
    this.#candidates = after
  }

  /** What is wrong with an answer of status 200, 206, 404 or 416 that has come whole. */
  finish(status: number): string | undefined {
    const candidates = this.#candidates ?? this.#findCandidates()
    if (status === 404) {
      return this.#keys.mayBeAbsent(this.#claim) ? undefined : 'is said to be absent'
    }
    const offset = this.#options.span?.offset ?? 0
    if (status === 416) {
      const sizes = this.#keys
        .bodies(this.#claim)
        .map((version) => this.#keys.sizeBytes(this.#claim.index, version))
      return sizes.some((size) => size <= offset) ? undefined : 'is said to have no such range'
    }
    if (this.#wrong !== undefined) return this.#wrong
    if (candidates.some(({ wantedBytes }) => wantedBytes === this.#receivedBytes)) return undefined
    const wanted = candidates.map(({ wantedBytes }) => wantedBytes).join(' or ')
    if (wanted === '') return 'is there although it was removed'
    return `has ${this.#receivedBytes} bytes instead of ${wanted}`
  }

  #findCandidates(): readonly Candidate[] {
    const { index } = this.#claim
    const { span } = this.#options
    return this.#keys.bodies(this.#claim).map((version) => {
      const sizeBytes = this.#keys.sizeBytes(index, version)
      const wantedBytes =
        span === undefined ? sizeBytes : Math.max(0, Math.min(span.length, sizeBytes - span.offset))
      return { version, wantedBytes, stamp: this.#keys.stamp(index, version) }
    })
  }
}

/** Lengths of the pieces in which a body of this size is made. */
export function* piecesOf(sizeBytes: number): Generator<Span> {
  for (let offset = 0; offset < sizeBytes; offset += PIECE_BYTES_MAX) {
    yield { offset, length: Math.min(PIECE_BYTES_MAX, sizeBytes - offset) }
  }
}
