import { Buffer } from 'node:buffer'
import { POLICY_KINDS } from '@forebay/model/bucket-properties'
import { pack, unpack } from 'msgpackr'
import { SAVED_WORDS } from '../space/entry-table.ts'
import type { SavedPolicy } from '../space/eviction-policy.ts'

/** Another format is ignored: what policies know is learnt again. */
const FORMAT = 2

/** A policy and what it is for. */
export interface PlacedPolicy {
  readonly mountpath: number
  readonly bucketId: number
  readonly saved: SavedPolicy
}

/** Policies as bytes of a file of this machine: words are in its own byte order. */
export function encodePolicies(policies: readonly PlacedPolicy[]): Uint8Array {
  const rows = policies.map(({ mountpath, bucketId, saved }) => [
    mountpath,
    bucketId,
    saved.kind,
    saved.queues.map((queue) => Buffer.from(queue.buffer, queue.byteOffset, queue.byteLength)),
    saved.facts,
  ])
  return pack([FORMAT, rows])
}

/** What `encodePolicies` wrote, without what cannot be read. */
export function decodePolicies(bytes: Uint8Array): readonly PlacedPolicy[] {
  let document: unknown
  try {
    document = unpack(bytes)
  } catch {
    // Bytes that are no msgpack: an older format, or a file that was cut.
    return []
  }
  if (!Array.isArray(document) || document[0] !== FORMAT || !Array.isArray(document[1])) return []
  return document[1].flatMap(decodeRow)
}

function decodeRow(row: unknown): readonly PlacedPolicy[] {
  if (!Array.isArray(row)) return []
  const [mountpath, bucketId, word, queues, facts]: readonly unknown[] = row
  const kind = POLICY_KINDS.find((known) => known === word)
  if (typeof mountpath !== 'number' || typeof bucketId !== 'number' || kind === undefined) return []
  if (!Array.isArray(queues) || !Array.isArray(facts)) return []
  const saved = {
    kind,
    queues: queues.flatMap(decodeQueue),
    facts: facts.filter((fact) => typeof fact === 'number'),
  }
  return [{ mountpath, bucketId, saved }]
}

function decodeQueue(queue: unknown): readonly Uint32Array[] {
  if (!(queue instanceof Uint8Array) || queue.length % (SAVED_WORDS * 4) !== 0) return []
  // A copy: words need an aligned buffer.
  return [new Uint32Array(Uint8Array.from(queue).buffer)]
}
