import { SAVED_WORDS } from './entry-table.ts'
import type { EvictionPolicy, SavedPolicy } from './eviction-policy.ts'

/** Objects of one shard: more are split in two, so that no step of a policy takes longer than a few ms. */
export const SHARD_OBJECTS_MAX = 16_384

/** Victims that one shard gives before the next one does: what they have in common is at hand. */
const VICTIMS_PER_TURN = 256

interface Shard {
  readonly policy: EvictionPolicy
  /** Leading bits of the print that all its objects share. */
  readonly depth: number
}

/**
 * One policy for any number of objects: shards by the leading bits of the print, each a policy of its
 * own. Victims come from all shards in turn, which hold alike since prints are spread evenly.
 */
export class ShardedPolicy implements EvictionPolicy {
  readonly kind: EvictionPolicy['kind']
  readonly #create: () => EvictionPolicy
  readonly #objectsMax: number
  /** By the leading `#depth` bits; a shard of a smaller depth stands at several places. */
  #directory: Shard[]
  #depth = 0
  #turn = 0
  #given = 0

  constructor(create: () => EvictionPolicy, objectsMax = SHARD_OBJECTS_MAX) {
    this.#create = create
    this.#objectsMax = objectsMax
    const policy = create()
    this.kind = policy.kind
    this.#directory = [{ policy, depth: 0 }]
  }

  get objectCount(): number {
    return this.#shards().reduce((sum, { policy }) => sum + policy.objectCount, 0)
  }

  get memoryBytes(): number {
    return this.#shards().reduce((sum, { policy }) => sum + policy.memoryBytes, 0)
  }

  stored(print: number, bytes: number): void {
    const shard = this.#shardOf(print)
    shard.policy.stored(print, bytes)
    if (shard.policy.objectCount > this.#objectsMax && shard.depth < 16) this.#split(print)
  }

  touched(print: number): void {
    this.#shardOf(print).policy.touched(print)
  }

  missed(print: number): void {
    this.#shardOf(print).policy.missed(print)
  }

  removed(print: number, evicted: boolean): void {
    this.#shardOf(print).policy.removed(print, evicted)
  }

  has(print: number): boolean {
    return this.#shardOf(print).policy.has(print)
  }

  isChosen(print: number): boolean {
    return this.#shardOf(print).policy.isChosen(print)
  }

  replaces(): boolean {
    return this.#current()?.replaces() ?? true
  }

  idleSince(): number | undefined {
    return this.#current()?.idleSince()
  }

  choose(): number {
    for (let tried = 0; tried < this.#directory.length; tried++) {
      const { policy } = this.#directory[this.#turn % this.#directory.length] ?? {}
      const bytes = policy?.choose() ?? 0
      if (bytes > 0) {
        this.#given += 1
        if (this.#given % VICTIMS_PER_TURN === 0) this.#turn += 1
        return bytes
      }
      this.#turn += 1
    }
    return 0
  }

  forgetChosen(): void {
    for (const { policy } of this.#shards()) policy.forgetChosen()
  }

  save(): SavedPolicy {
    return joinSaved([...this.saveShards()]) ?? { kind: this.kind, queues: [], facts: [] }
  }

  /** The same in parts, each made when it is asked for: `joinSaved` puts them together. */
  *saveShards(): Generator<SavedPolicy> {
    for (const { policy } of this.#shards()) yield policy.save()
  }

  load(saved: SavedPolicy): void {
    const objects = saved.queues.reduce((sum, queue) => sum + queue.length / SAVED_WORDS, 0)
    const depth = Math.max(0, Math.ceil(Math.log2(objects / this.#objectsMax)))
    this.#depth = depth
    this.#directory = divide(saved, 2 ** depth, (print) => leading(print, depth)).map((part) => {
      const policy = this.#create()
      policy.load(part)
      return { policy, depth }
    })
  }

  /** The shard whose turn it is, or the next one that has anything left to choose. */
  #current(): EvictionPolicy | undefined {
    for (let tried = 0; tried < this.#directory.length; tried++) {
      const { policy } = this.#directory[this.#turn % this.#directory.length] ?? {}
      if (policy?.idleSince() !== undefined) return policy
      this.#turn += 1
    }
    return undefined
  }

  #shardOf(print: number): Shard {
    const shard = this.#directory[leading(print, this.#depth)]
    if (shard === undefined) throw new Error('a directory has a shard for every print')
    return shard
  }

  #shards(): readonly Shard[] {
    return this.#depth === 0 ? this.#directory : [...new Set(this.#directory)]
  }

  #split(print: number): void {
    const { policy, depth } = this.#shardOf(print)
    const saved = policy.save()
    if (depth === this.#depth) {
      this.#directory = this.#directory.flatMap((shard) => [shard, shard])
      this.#depth += 1
    }
    const first = leading(print, depth) << (this.#depth - depth)
    const places = 1 << (this.#depth - depth - 1)
    divide(saved, 2, (each) => leading(each, depth + 1) & 1).forEach((part, bit) => {
      const half = this.#create()
      half.load(part)
      const shard = { policy: half, depth: depth + 1 }
      this.#directory.fill(shard, first + bit * places, first + (bit + 1) * places)
    })
  }
}

/**
 * What shards saved as one, one after the other: the order within each is kept.
 *
 * @returns undefined for none
 */
export function joinSaved(saved: readonly SavedPolicy[]): SavedPolicy | undefined {
  const [first] = saved
  if (first === undefined || saved.length === 1) return first
  const queues = first.queues.map((_, at) =>
    joinQueues(saved.map((each) => each.queues[at] ?? new Uint32Array(0))),
  )
  // What a shard knows besides its objects is learnt again, but for a clock: that of the first.
  return { kind: first.kind, queues, facts: first.facts }
}

/** Saved entries by the part that `partOf` says, each part in order and with all facts. */
function divide(
  saved: SavedPolicy,
  parts: number,
  partOf: (print: number) => number,
): readonly SavedPolicy[] {
  const queues = saved.queues.map((queue) => divideQueue(queue, parts, partOf))
  return Array.from({ length: parts }, (_, part) => ({
    ...saved,
    queues: queues.map((divided) => divided[part] ?? new Uint32Array(0)),
  }))
}

function divideQueue(
  queue: Uint32Array,
  parts: number,
  partOf: (print: number) => number,
): readonly Uint32Array[] {
  const lengths = new Float64Array(parts)
  for (let at = 0; at < queue.length; at += SAVED_WORDS) {
    const part = partOf(queue[at] ?? 0)
    lengths[part] = (lengths[part] ?? 0) + SAVED_WORDS
  }
  const divided = Array.from(lengths, (length) => new Uint32Array(length))
  lengths.fill(0)
  for (let at = 0; at < queue.length; at += SAVED_WORDS) {
    const part = partOf(queue[at] ?? 0)
    const to = lengths[part] ?? 0
    const words = divided[part]
    if (words === undefined) continue
    for (let word = 0; word < SAVED_WORDS; word++) words[to + word] = queue[at + word] ?? 0
    lengths[part] = to + SAVED_WORDS
  }
  return divided
}

function leading(print: number, bits: number): number {
  return bits === 0 ? 0 : print >>> (32 - bits)
}

function joinQueues(queues: readonly Uint32Array[]): Uint32Array {
  const joined = new Uint32Array(queues.reduce((sum, queue) => sum + queue.length, 0))
  let at = 0
  for (const queue of queues) {
    joined.set(queue, at)
    at += queue.length
  }
  return joined
}
