/**
 * The bytes of a shard, top to bottom: what is kept of an archive that is added to, then one member after
 * the other, each of the version that was listed, verified while it passes.
 */

import type { ArchiveFormat } from '@forebay/archive/format'
import { openArchiveWriter } from '@forebay/archive/writer'
import { Failure } from '@forebay/base/failure'
import { createDigester } from '@forebay/base/hash/digester'
import type { BucketRecord } from '@forebay/model/bucket'
import type { Checksum } from '@forebay/model/checksum'
import type { ObjectAttributes } from '@forebay/model/object'
import type { IncomingBody, ObjectBody } from '@forebay/peer/bodies'
import type { TargetPort } from '@forebay/peer/target-port'
import { expectedDigest } from '../../objects/expected-digest.ts'
import type { ShardMember } from './archive-shards.ts'

/**
 * Members that are being opened while one is written: small ones wait for their store together. Few, since
 * the pace of jobs counts a shard as one item.
 */
const OPEN_AHEAD_MAX = 4

/** The same, bytes: of large ones the next alone. */
const OPEN_AHEAD_BYTES_MAX = 16 * 1024 ** 2

type Write = (chunk: Buffer) => void | Promise<void>

/** What a shard is made of. */
export interface ShardContent {
  readonly target: TargetPort
  readonly source: BucketRecord
  readonly format: ArchiveFormat
  readonly members: readonly ShardMember[]
  /** Members that are gone or changed are left out. */
  readonly skipsMissing: boolean
  memberNameOf(key: string): string
  /** Comes first: the members of an archive that is added to. */
  readonly head?: ((write: Write, signal: AbortSignal) => Promise<void>) | undefined
  /** Where it is known before. */
  readonly lengthBytes: number | undefined
}

/** A body that also tells, once it was pumped, what went into it. */
export interface ShardBody extends IncomingBody {
  /** Objects archived and their bytes. */
  readonly written: { readonly members: number; readonly bytes: number }
}

/** The shard as the body of a write. */
export function shardBody(content: ShardContent): ShardBody {
  const written = { members: 0, bytes: 0 }
  return {
    lengthBytes: content.lengthBytes,
    digestsNeeded: [],
    judge: () => ({ checksums: [] }),
    written,
    pump: async (write, signal) => {
      const archive = openArchiveWriter(content.format, { write, end: () => undefined })
      await content.head?.(write, signal)
      for await (const member of openInOrder(content, signal)) {
        const { attributes, body, key } = member
        const { sizeBytes, lastModifiedMs } = attributes
        const name = content.memberNameOf(key)
        try {
          await archive.add({ name, sizeBytes, modifiedMs: lastModifiedMs }, (take) =>
            pumpVerified({ key, attributes, body }, take, signal),
          )
        } finally {
          // Not pumped when its name is refused or the sink fails before.
          body.close()
        }
        written.members += 1
        written.bytes += sizeBytes
      }
      if (written.members === 0)
        throw new Failure('object-not-found', 'none of the objects of this archive is there')
      await archive.end()
    },
  }
}

interface OpenMember {
  readonly key: string
  readonly attributes: ObjectAttributes
  readonly body: ObjectBody
}

/** Opens the next members while one is written; whatever is open is closed when nobody wants more. */
async function* openInOrder(
  content: ShardContent,
  signal: AbortSignal,
): AsyncGenerator<OpenMember> {
  const { members } = content
  const ahead: { readonly sizeBytes: number; readonly opening: Promise<OpenMember | undefined> }[] =
    []
  let aheadBytes = 0
  let next = 0
  try {
    while (next < members.length || ahead.length > 0) {
      while (ahead.length < OPEN_AHEAD_MAX) {
        const member = members[next]
        if (member === undefined) break
        const sizeBytes = member.version?.sizeBytes ?? 0
        if (ahead.length > 0 && aheadBytes + sizeBytes > OPEN_AHEAD_BYTES_MAX) break
        const opening = openMember(content, member, signal)
        // Waited for in its turn; until then a failure is nobody's yet.
        opening.catch(() => undefined)
        ahead.push({ sizeBytes, opening })
        aheadBytes += sizeBytes
        next += 1
      }
      const first = ahead.shift()
      if (first === undefined) return
      aheadBytes -= first.sizeBytes
      const opened = await first.opening
      if (opened !== undefined) yield opened
    }
  } finally {
    for (const { opening } of ahead) await closeOpened(opening)
  }
}

async function closeOpened(opening: Promise<OpenMember | undefined>): Promise<void> {
  const [settled] = await Promise.allSettled([opening])
  if (settled?.status === 'fulfilled') settled.value?.body.close()
}

/**
 * The version that was listed, ready to be read; `undefined`: it is left out.
 *
 * @throws Failure `object-not-found` | `precondition-failed`, and what reading throws
 */
async function openMember(
  content: ShardContent,
  { key, version }: ShardMember,
  signal: AbortSignal,
): Promise<OpenMember | undefined> {
  const { target, source, skipsMissing } = content
  const etag = version?.etag ?? ''
  const conditions = etag === '' ? {} : { ifMatch: [etag] }
  const answer = await target.read({ bucket: source, key, conditions, signal })
  if (answer.kind === 'found') {
    const { attributes, body } = answer
    if (version === undefined || attributes.sizeBytes === version.sizeBytes)
      return { key, attributes, body }
    body.close()
  }
  if (skipsMissing) return undefined
  if (answer.kind === 'absent')
    throw new Failure('object-not-found', `${key}: the object is not there`)
  throw new Failure('precondition-failed', `${key}: the object changed since it was listed`)
}

/** @throws Failure `object-corrupt` when the bytes are not those of the object's checksum */
async function pumpVerified(
  { key, attributes, body }: OpenMember,
  write: Write,
  signal: AbortSignal,
): Promise<void> {
  if (body.pump === undefined) {
    body.close()
    throw new Failure('not-implemented', `${key}: its bytes can only be sent to a client`)
  }
  const stated = checksumOf(attributes)
  if (stated === undefined) return body.pump(write, signal)
  const digester = createDigester([stated.algorithm], { expectedBytes: attributes.sizeBytes })
  try {
    await body.pump((chunk) => {
      const hashed = digester.update(chunk)
      const written = write(chunk)
      if (hashed === undefined) return written
      return Promise.all([hashed, written]).then(() => undefined)
    }, signal)
    const hex = (await digester.digest()).get(stated.algorithm)
    if (hex !== stated.hex)
      throw new Failure('object-corrupt', `${key}: its bytes do not match its ${stated.algorithm}`)
  } finally {
    digester.abandon()
  }
}

/** The cheapest checksum that covers all bytes. */
function checksumOf(attributes: ObjectAttributes): Checksum | undefined {
  const own = attributes.checksums.find(
    ({ algorithm, kind }) => algorithm === 'xxh64' && kind === 'whole',
  )
  return own ?? expectedDigest(attributes)
}
