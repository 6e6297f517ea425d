import { failpoint } from '@forebay/base/failpoint'
import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import type { ScrubAction } from '@forebay/peer/scrub-port'
import { keyIdOf, type ObjectContext, raiseKey } from '../objects/context.ts'
import { samePin, sameVersion } from '../objects/same-version.ts'
import type { ObjectRecord } from '../store/contract.ts'
import type { Drive } from '../store/store-context.ts'
import type { Verdict } from './check-entry.ts'
import { openEntry } from './entry-file.ts'

export type BadVerdict = Extract<Verdict, { kind: 'bad' }>

/** An entry that was found bad. */
export interface BadEntry {
  readonly bucket: BucketRecord
  readonly record: ObjectRecord
  readonly drive: Drive
  readonly verdict: BadVerdict
}

/**
 * Makes sure that nobody gets the bytes: a copy of what a backend has is given up, in whole or in
 * blocks; an object that exists only here is marked, and its file stays for whoever can mend it.
 *
 * All of it under the lock of the key, for the version that was looked at and no other: what was
 * written, evicted or filled meanwhile stays as it is (rules 1 and 5).
 *
 * @returns undefined when the entry is another one by now, or its file turned out to be right
 */
export function repairEntry(
  context: ObjectContext,
  bad: BadEntry,
): Promise<ScrubAction | undefined> {
  const { bucket, record } = bad
  const keyId = keyIdOf(bucket, record.key)
  return context.locks.hold(keyId, async () => {
    await failpoint('scrub:locked')
    const current = context.store.get(bucket.id, record.key)
    if (current === undefined || !sameVersion(current, record)) return undefined
    if (!(await isStillBad(bad, current))) return undefined
    if (bucket.backend === undefined) return markDamaged(context, bad, current)
    const { blocks } = bad.verdict
    const action =
      blocks !== undefined && current.blocks !== undefined
        ? await dropBlocks(context, bad, current)
        : await dropEntry(context, bad)
    await failpoint('scrub:repaired')
    return action
  })
}

/** A commit that was under way had given the name to its file before the index knew. */
async function isStillBad({ drive, verdict }: BadEntry, current: ObjectRecord): Promise<boolean> {
  switch (verdict.damage) {
    case 'missing':
    case 'wrong-file':
    case 'wrong-size': {
      const file = await openEntry(drive, current)
      if (typeof file === 'string') return true
      file.close()
      return false
    }
    default:
      return true
  }
}

async function markDamaged(
  context: ObjectContext,
  { record, verdict }: BadEntry,
  current: ObjectRecord,
): Promise<ScrubAction> {
  // Who opens a file that is not the record's is refused already.
  const refused = verdict.damage !== 'wrong-bytes' || current.damaged === true
  if (!refused) await context.store.noteFound(record, { damaged: true })
  await failpoint('scrub:marked')
  return 'kept-damaged'
}

async function dropEntry(
  context: ObjectContext,
  { bucket, record }: BadEntry,
): Promise<ScrubAction> {
  const keyId = keyIdOf(bucket, record.key)
  await context.mending.during(keyId, async () => {
    cutReaders(context, bucket, record)
    raiseKey(context, keyId)
    const options = { sync: false, settle: false, why: 'corrupt' } as const
    await context.store.remove(bucket.id, record.key, options)
  })
  return 'dropped'
}

async function dropBlocks(
  context: ObjectContext,
  { bucket, record, verdict }: BadEntry,
  current: ObjectRecord,
): Promise<ScrubAction | undefined> {
  // A block that was given up and fetched again since is another one.
  const wrong = (verdict.blocks ?? []).filter(
    (index) => current.blocks?.crcs[index] === record.blocks?.crcs[index],
  )
  if (wrong.length === 0) return undefined
  const keyId = keyIdOf(bucket, record.key)
  await context.mending.during(keyId, async () => {
    cutReaders(context, bucket, record)
    raiseKey(context, keyId)
    await context.store.recordBlocks(current, new Map(wrong.map((index) => [index, -1])))
  })
  return 'blocks-dropped'
}

/** Those who read a partial entry read the blocks that are wrong: their answers are broken off. */
function cutReaders(context: ObjectContext, bucket: BucketRecord, record: ObjectRecord): void {
  const fill = context.fills.get(keyIdOf(bucket, record.key))
  if (fill === undefined || record.blocks === undefined || !samePin(fill.pin, record.pin)) return
  fill.cancel(new Failure('object-corrupt', `${record.key}: blocks of the object are damaged`))
}

/**
 * Notes what a look came to that found nothing wrong: a checksum where there was none, and that an
 * object is not damaged any more, since somebody mended its file.
 *
 * @returns whether anything was noted
 */
export function noteGood(
  context: ObjectContext,
  { bucket, record }: Pick<BadEntry, 'bucket' | 'record'>,
  contentXxh64: string | undefined,
): Promise<boolean> {
  return context.locks.hold(keyIdOf(bucket, record.key), async () => {
    const current = context.store.get(bucket.id, record.key)
    if (current === undefined || !sameVersion(current, record)) return false
    if (current.blocks !== undefined) return false
    const facts = { damaged: undefined, ...(contentXxh64 === undefined ? {} : { contentXxh64 }) }
    await context.store.noteFound(current, facts)
    return true
  })
}
