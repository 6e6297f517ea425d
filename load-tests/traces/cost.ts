import { POLICY_KINDS, type PolicyKind } from '@forebay/model/bucket-properties'
import { printOf } from '@forebay/target/space/bucket-policies'
import { createPolicy } from '@forebay/target/space/create-policy'
import type { EvictionPolicy } from '@forebay/target/space/eviction-policy'
import { Random } from '../faults/random.ts'

/** What a policy costs on this machine; other work on it makes the figures worse, never better. */
export interface PolicyCost {
  readonly kind: PolicyKind
  /** Nanoseconds of a call, on average: the least of the rounds. */
  readonly storedNs: number
  readonly touchedNs: number
  /** Choosing one victim, and removing it. */
  readonly choseNs: number
  readonly removedNs: number
  /** The longest step of 64 calls, ms, in the round with the least of it: a shard is split or copied. */
  readonly longestMs: number
  /** Most bytes an object takes from a thousand objects on, while the policy fills up. */
  readonly bytesPerObject: number
}

const UNIT_BYTES = 4096
const ROUNDS = 3

/** How often a twentieth is replaced: queues are as they are in use, not only as they were filled. */
const TURNOVERS = 8

/** As in the target, whose clock it is. */
const nowSeconds = (): number => Math.floor(Date.now() / 1000)

export function measureCosts(objects: number): readonly PolicyCost[] {
  return POLICY_KINDS.map((kind) => {
    const rounds = Array.from({ length: ROUNDS }, () => measureRound(kind, objects))
    const least = (of: (round: Round) => number): number => Math.min(...rounds.map(of))
    return {
      kind,
      storedNs: least((round) => round.storedNs),
      touchedNs: least((round) => round.touchedNs),
      choseNs: least((round) => round.choseNs),
      removedNs: least((round) => round.removedNs),
      longestMs: least((round) => round.longestMs),
      bytesPerObject: findBytesPerObject(kind, objects),
    }
  })
}

/** Nanoseconds for the print of a key of 36 characters. */
export function measurePrint(): number {
  const keys = Array.from({ length: 256 }, (_, at) => `train/images/shard-${1e8 + at}.tar.idx`)
  let prints = 0
  const least = Math.min(
    ...Array.from({ length: ROUNDS }, () => {
      const begun = clockNs()
      for (let at = 0; at < 200_000; at++) prints ^= printOf(keys[at % 256] ?? '')
      return (clockNs() - begun) / 200_000
    }),
  )
  return prints === -1 ? 0 : least
}

type Round = Omit<PolicyCost, 'kind' | 'bytesPerObject'>

function measureRound(kind: PolicyKind, objects: number): Round {
  const policy = createPolicy(kind, nowSeconds)
  const random = new Random('cost', kind)
  let longestNs = 0
  const time = (calls: number, call: (at: number) => void): number => {
    const begun = clockNs()
    let before = begun
    for (let at = 1; at <= calls; at++) {
      call(at)
      if (at % 64 !== 0) continue
      const now = clockNs()
      longestNs = Math.max(longestNs, now - before)
      before = now
    }
    return (clockNs() - begun) / calls
  }
  const storedNs = time(objects, (at) => policy.stored(nthPrint(at), UNIT_BYTES))
  const touchedNs = time(objects, () => policy.touched(nthPrint(1 + random.below(objects))))
  let choseNs = 0
  let removedNs = 0
  let next = objects
  for (let round = 0; round < TURNOVERS; round++) {
    // A twentieth goes, as from the high to the low watermark, and as much comes in.
    const victims = Math.floor(objects / 20)
    choseNs += time(victims, () => policy.choose()) / TURNOVERS
    const chosen = findChosen(policy, next)
    removedNs += time(chosen.length, (at) => policy.removed(chosen[at - 1] ?? 0, true)) / TURNOVERS
    for (let left = chosen.length; left > 0; left--) policy.stored(nthPrint(++next), UNIT_BYTES)
  }
  return { storedNs, touchedNs, choseNs, removedNs, longestMs: longestNs / 1e6 }
}

function findChosen(policy: EvictionPolicy, objects: number): readonly number[] {
  const chosen: number[] = []
  for (let at = 1; at <= objects; at++) {
    if (policy.isChosen(nthPrint(at))) chosen.push(nthPrint(at))
  }
  return chosen
}

/** Fills a policy beyond what fits, so that victims go and queues and ghosts are all in use. */
export function findBytesPerObject(kind: PolicyKind, objects: number): number {
  let second = 1
  const policy = createPolicy(kind, () => (second += 1))
  const random = new Random('bytes', kind)
  const every = Math.floor(objects / 20)
  let most = 0
  for (let at = 1; at <= objects; at++) {
    policy.stored(nthPrint(at), UNIT_BYTES)
    policy.touched(nthPrint(1 + random.below(at)))
    if (at % 997 === 0 && policy.objectCount >= 1000) {
      most = Math.max(most, policy.memoryBytes / policy.objectCount)
    }
    // Now and then a twentieth goes, as from the high mark to the low one.
    if (at % every !== 0) continue
    for (let left = policy.objectCount / 20; left > 0; left--) policy.choose()
    for (const print of findChosen(policy, at)) policy.removed(print, true)
  }
  return most
}

/** Prints that are all different and spread by chance, like those of keys. */
function nthPrint(at: number): number {
  let mixed = Math.imul(at ^ (at >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

function clockNs(): number {
  return performance.now() * 1e6
}
