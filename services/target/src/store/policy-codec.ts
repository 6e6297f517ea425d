import { Buffer } from 'node:buffer'
import { POLICY_KINDS } from '@forebay/model/bucket-properties'
import { pack, unpack } from 'msgpackr'
import { SAVED_WORDS } from '../space/entry-table.ts'
import type { SavedPolicy } from '../space/eviction-policy.ts'

/** Another format is ignored: what policies know is learnt again. */
const FORMAT = 3

/** A policy and what it is for. */
export interface PlacedPolicy {
  readonly mountpath: number
  readonly bucketId: number
  readonly saved: SavedPolicy
}

/** Before each piece of the file, bytes: its length. */
const LENGTH_BYTES = 4

/** The first piece of a file of policies. */
export function encodeHead(): Uint8Array {
  return piece(pack(FORMAT))
}

/** A policy, or a shard of one, as a piece of a file of this machine: words are in its own byte order. */
export function encodePolicy({ mountpath, bucketId, saved }: PlacedPolicy): Uint8Array {
  const queues = saved.queues.map((queue) =>
    Buffer.from(queue.buffer, queue.byteOffset, queue.byteLength),
  )
  return piece(pack([mountpath, bucketId, saved.kind, queues, saved.facts]))
}

/** What was encoded, in order, without what cannot be read. */
export function decodePolicies(bytes: Uint8Array): readonly PlacedPolicy[] {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const pieces: unknown[] = []
  for (let at = 0; at + LENGTH_BYTES <= file.length; ) {
    const end = at + LENGTH_BYTES + file.readUInt32LE(at)
    // A file that was cut, or another format.
    if (end > file.length) break
    pieces.push(unpackPiece(file.subarray(at + LENGTH_BYTES, end)))
    at = end
  }
  const [format, ...rows] = pieces
  return format === FORMAT ? rows.flatMap(decodeRow) : []
}

function piece(packed: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(LENGTH_BYTES + packed.length)
  bytes.writeUInt32LE(packed.length)
  bytes.set(packed, LENGTH_BYTES)
  return bytes
}

function unpackPiece(bytes: Uint8Array): unknown {
  try {
    return unpack(bytes)
  } catch {
    // Bytes that are no msgpack: nothing that can be used.
    return undefined
  }
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
