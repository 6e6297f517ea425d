import { setImmediate as turn } from 'node:timers/promises'
import type { PolicyKind } from '@forebay/model/bucket-properties'
import { decodePolicies, encodeHead, encodePolicy } from '../store/policy-codec.ts'
import { createPolicy } from './create-policy.ts'
import { joinSaved, type ShardedPolicy } from './sharded-policy.ts'

/** Victims chosen in one call: a call stays under a millisecond. */
export const CHOSEN_PER_CALL_MAX = 1000

/** Which objects are meant: all where nothing is stated. */
export interface Selection {
  readonly mountpath?: number | undefined
  readonly bucketId?: number | undefined
}

/** Where there is room for one more object without anything being evicted. */
export interface FreeRoom {
  readonly onDisk: boolean
  readonly inQuota: boolean
}

/** Where an object lies. */
export interface PlacedName {
  readonly mountpath: number
  readonly bucketId: number
  readonly key: string
}

export interface BucketPoliciesOptions {
  /** How the bucket's objects are chosen; undefined: they stay, or there is no such bucket. */
  readonly kindOf: (bucketId: number) => PolicyKind | undefined
  /** False for a bucket that was destroyed. */
  readonly isThere?: ((bucketId: number) => boolean) | undefined
  /** True for an object that is not to be evicted, whatever the policy. */
  readonly isPinned?: ((bucketId: number, key: string) => boolean) | undefined
  /** Wall clock, seconds; only differences matter, across restarts too. */
  readonly nowSeconds: () => number
}

/**
 * The eviction policies of a store: one for each bucket on each mountpath. Where several buckets could
 * give something up, the one goes first whose next victim was of no use for the longest time, so that
 * buckets of `lru` are together one LRU.
 */
export class BucketPolicies {
  readonly #options: BucketPoliciesOptions
  readonly #mountpaths = new Map<number, Map<number, ShardedPolicy>>()
  /** Buckets of which something is chosen and not removed yet, by mountpath. */
  readonly #chosenIn = new Map<number, Set<number>>()

  constructor(options: BucketPoliciesOptions) {
    this.#options = options
  }

  /**
   * The object is there with so many bytes on disk; one without any is never worth evicting, and of
   * one that is pinned no policy hears.
   */
  stored(name: PlacedName, bytes: number): void {
    const policy = this.#policyOf(name.mountpath, name.bucketId)
    if (bytes > 0 && !this.#isPinned(name)) policy?.stored(printOf(name.key), bytes)
    else policy?.removed(printOf(name.key), false)
  }

  touched(name: PlacedName): void {
    this.#policyOf(name.mountpath, name.bucketId)?.touched(printOf(name.key))
  }

  /** @param evicted to make room: a policy may remember such a one */
  removed(name: PlacedName, evicted: boolean): void {
    this.#policyOf(name.mountpath, name.bucketId)?.removed(printOf(name.key), evicted)
  }

  /** The object is about to be read from the backend. */
  missed(name: PlacedName): void {
    this.#policyOf(name.mountpath, name.bucketId)?.missed(printOf(name.key))
  }

  /** True for a victim; one that was pinned meanwhile is none any more. */
  isChosen(name: PlacedName): boolean {
    const policy = this.#policyOf(name.mountpath, name.bucketId)
    if (policy?.isChosen(printOf(name.key)) !== true) return false
    if (!this.#isPinned(name)) return true
    policy.removed(printOf(name.key), false)
    return false
  }

  /** True for an object that can be evicted and that its policy has not heard of. */
  isUnknown(name: PlacedName): boolean {
    const policy = this.#policyOf(name.mountpath, name.bucketId)
    return policy?.has(printOf(name.key)) === false && !this.#isPinned(name)
  }

  /** Whether an object that is read from the backend is to be kept. */
  admits(name: PlacedName, room: FreeRoom): boolean {
    const policy = this.#policyOf(name.mountpath, name.bucketId)
    // Its older version holds the room that it takes.
    return policy?.has(printOf(name.key)) === true || this.admitsMore(name, room)
  }

  /** The same where no older version makes way: a part of an object that is there comes in. */
  admitsMore({ mountpath, bucketId }: PlacedName, { onDisk, inQuota }: FreeRoom): boolean {
    const policy = this.#policyOf(mountpath, bucketId)
    if (policy === undefined || (onDisk && inQuota) || policy.replaces()) return true
    // Nobody else makes room in the bucket's quota.
    if (!inQuota) return false
    const own = policy.idleSince() ?? this.#options.nowSeconds()
    return this.#evictable({ mountpath }).some(
      ({ bucketId: id, policy: other }) => id !== bucketId && (other.idleSince() ?? own) < own,
    )
  }

  /** Chooses victims of about `bytes`, `CHOSEN_PER_CALL_MAX` at most. @returns their bytes, 0: none is left */
  choose(selection: Selection, bytes: number): number {
    const policies = this.#evictable(selection)
    let chosen = 0
    let objects = 0
    while (chosen < bytes && objects < CHOSEN_PER_CALL_MAX) {
      const coldest = findColdest(policies)
      if (coldest === undefined) break
      const { mountpath, bucketId, policy, until } = coldest
      this.#noteChosen(mountpath, bucketId)
      do {
        chosen += policy.choose()
        objects += 1
      } while (
        chosen < bytes &&
        objects < CHOSEN_PER_CALL_MAX &&
        (policy.idleSince() ?? Number.POSITIVE_INFINITY) <= until
      )
    }
    return chosen
  }

  /** True when a sweep may find victims of the bucket, or objects that its policy does not know. */
  isWorthSweep({ mountpath }: Selection, bucketId: number, objectCount: number): boolean {
    if (this.#options.kindOf(bucketId) === undefined) return false
    for (const [number, buckets] of this.#chosenIn) {
      if ((mountpath ?? number) === number && buckets.has(bucketId)) return true
    }
    return this.objectCount(bucketId) < objectCount
  }

  /** Objects of the bucket that are known, on all mountpaths. */
  objectCount(bucketId: number): number {
    let count = 0
    for (const buckets of this.#mountpaths.values())
      count += buckets.get(bucketId)?.objectCount ?? 0
    return count
  }

  /**
   * After a whole sweep: what is chosen and still there cannot be removed, or is not there at all.
   *
   * @returns how many there were
   */
  forgetChosen(selection: Selection): number {
    let forgotten = 0
    for (const { mountpath, bucketId, policy } of this.#policies(selection)) {
      const before = policy.objectCount
      policy.forgetChosen()
      forgotten += before - policy.objectCount
      this.#chosenIn.get(mountpath)?.delete(bucketId)
    }
    return forgotten
  }

  dropBucket(bucketId: number): void {
    for (const buckets of this.#mountpaths.values()) buckets.delete(bucketId)
  }

  /**
   * What all policies know, as pieces of a file; between two of them others have their turn. What
   * belongs to no bucket any more is left out, unless no bucket is known at all.
   */
  async *save(): AsyncGenerator<Uint8Array> {
    yield encodeHead()
    const all = this.#policies({})
    const { isThere = () => true } = this.#options
    const known = all.filter(({ bucketId }) => isThere(bucketId))
    for (const { mountpath, bucketId, policy } of known.length > 0 ? known : all) {
      for (const saved of policy.saveShards()) {
        yield encodePolicy({ mountpath, bucketId, saved })
        await turn()
      }
    }
  }

  /** Takes over what was saved; bytes that are no good are ignored: eviction chooses less well for a while. */
  load(bytes: Uint8Array): void {
    const parts = Map.groupBy(decodePolicies(bytes), ({ mountpath, bucketId }) =>
      [mountpath, bucketId].join(),
    )
    for (const rows of parts.values()) {
      const [first] = rows
      const saved = joinSaved(rows.map((row) => row.saved))
      if (first === undefined || saved === undefined) continue
      const policy = createPolicy(saved.kind, this.#options.nowSeconds)
      policy.load(saved)
      this.#bucketsOf(first.mountpath).set(first.bucketId, policy)
    }
  }

  /** Another kind takes over what its predecessor knows. */
  #policyOf(mountpath: number, bucketId: number): ShardedPolicy | undefined {
    const kind = this.#options.kindOf(bucketId)
    if (kind === undefined) return undefined
    const buckets = this.#bucketsOf(mountpath)
    const known = buckets.get(bucketId)
    if (known?.kind === kind) return known
    const policy = createPolicy(kind, this.#options.nowSeconds)
    if (known !== undefined) policy.load(known.save())
    buckets.set(bucketId, policy)
    return policy
  }

  #bucketsOf(mountpath: number): Map<number, ShardedPolicy> {
    const known = this.#mountpaths.get(mountpath)
    if (known !== undefined) return known
    const buckets = new Map<number, ShardedPolicy>()
    this.#mountpaths.set(mountpath, buckets)
    return buckets
  }

  /** What may give something up. */
  #evictable(selection: Selection): readonly PlacedPolicy[] {
    return this.#policies(selection).flatMap(({ mountpath, bucketId }) => {
      const policy = this.#policyOf(mountpath, bucketId)
      return policy === undefined ? [] : [{ mountpath, bucketId, policy }]
    })
  }

  #policies({ mountpath, bucketId }: Selection): readonly PlacedPolicy[] {
    const found: PlacedPolicy[] = []
    for (const [number, buckets] of this.#mountpaths) {
      if (mountpath !== undefined && mountpath !== number) continue
      for (const [id, policy] of buckets) {
        if (bucketId === undefined || bucketId === id) {
          found.push({ mountpath: number, bucketId: id, policy })
        }
      }
    }
    return found
  }

  #isPinned({ bucketId, key }: PlacedName): boolean {
    return this.#options.isPinned?.(bucketId, key) ?? false
  }

  #noteChosen(mountpath: number, bucketId: number): void {
    const buckets = this.#chosenIn.get(mountpath) ?? new Set()
    buckets.add(bucketId)
    this.#chosenIn.set(mountpath, buckets)
  }
}

interface PlacedPolicy {
  readonly mountpath: number
  readonly bucketId: number
  readonly policy: ShardedPolicy
}

/** The policy whose next victim is idle for the longest time, and when the one after it was in use. */
function findColdest(policies: readonly PlacedPolicy[]) {
  let coldest: PlacedPolicy | undefined
  let since = Number.POSITIVE_INFINITY
  let until = Number.POSITIVE_INFINITY
  for (const placed of policies) {
    const idle = placed.policy.idleSince()
    if (idle === undefined) continue
    if (idle < since) {
      until = since
      since = idle
      coldest = placed
    } else if (idle < until) until = idle
  }
  return coldest === undefined ? undefined : { ...coldest, until }
}

/** 32 bits of a key: FNV-1a over its UTF-16 units, mixed at the end so that all bits depend on all. */
export function printOf(key: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
