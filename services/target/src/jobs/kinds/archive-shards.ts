/**
 * From a list of objects to shards, top to bottom: objects in the order of the list go one after the
 * other into the shard under way, which is closed when the next one would be too much for it.
 */

import { memberBytes } from '@forebay/archive/writer'
import { Failure } from '@forebay/base/failure'
import { type Lease, type ListedStep, PAGE_ITEMS_MAX } from '@forebay/jobs/engine'
import type { JobItem, JsonObject } from '@forebay/jobs/job'
import { parseTemplate } from '@forebay/jobs/template'
import type { BucketRecord } from '@forebay/model/bucket'
import type { JobContext } from '../kind-work.ts'
import { splitByOwner } from '../select-items.ts'
import type { ArchivePlan } from './archive-plan.ts'

/** Keys that are named are asked about so many at a time: their list has no versions. */
const HEADS_AT_ONCE = 16

/** A step that has closed shards of so many members in all ends with its page. */
const STEP_MEMBERS_MIN = 500

/** What one step hands to the engine, bytes; also the longest list of one shard's members. */
const MANIFEST_BYTES_MAX = 8 * 1024 ** 2

/** What an entry of such a list takes beside key and tag, bytes: two numbers, quotes, commas. */
const MANIFEST_ENTRY_BYTES = 40

/** One object of a shard, as the list told of it. */
export interface ShardMember {
  readonly key: string
  /** Absent: it was not there when the list was made. */
  readonly version?:
    | {
        readonly etag: string
        readonly sizeBytes: number
        readonly lastModifiedMs: number
      }
    | undefined
}

export interface ShardStep {
  readonly plan: ArchivePlan
  readonly source: BucketRecord
  readonly destination: BucketRecord
  readonly cursor: string | undefined
  readonly lease: Lease
}

/** Where listing goes on. What is in no closed shard is listed again. */
interface Place {
  /** Of a bucket's list: after this key. */
  readonly after?: string | undefined
  readonly token?: string | undefined
  /** Of named keys: from this position on. */
  readonly at?: number | undefined
}

/** Objects in their order, and the place behind each; `next` is absent at the end of the list. */
interface Batch {
  readonly members: readonly { readonly member: ShardMember; readonly behind: Place }[]
  readonly next: Place | undefined
}

/**
 * The next shards, at least one until the list is over. Folders (empty objects whose key ends with a
 * slash) are no members, nor, where archives go into the bucket that they are made of, are those of the
 * same name pattern.
 *
 * @throws Failure `argument-invalid` where one archive is wanted and not enough, or for a bad cursor
 */
export async function listShards(context: JobContext, step: ShardStep): Promise<ListedStep> {
  const from = parseCursor(step.cursor)
  const collector = new ShardCollector(step.plan, from.shard)
  let place: Place | undefined = from.place
  let resume: Place = from.place
  while (place !== undefined && !collector.isEnough) {
    const batch: Batch = await nextBatch(context, step, place)
    for (const { member, behind } of batch.members) {
      if (isMember(step, member)) {
        const closed = collector.add(member)
        if (closed !== undefined) resume = closed === 'without' ? place : behind
      }
      place = behind
    }
    place = batch.next
  }
  if (place === undefined) collector.close()
  return {
    pages: splitByOwner(context, step.destination, collector.items),
    cursor:
      place === undefined ? undefined : JSON.stringify({ shard: collector.shard, place: resume }),
  }
}

/** The members of a shard that `listShards` made. */
export function membersOf(item: JobItem): {
  readonly shard: number
  readonly members: readonly ShardMember[]
} {
  const { shard, members } = item.extra ?? {}
  if (typeof shard !== 'number' || !Array.isArray(members))
    throw new Failure('internal', `${item.key}: the shard has no list of members`)
  return { shard, members: members.map(decodeMember) }
}

/** Puts members into shards, in order. */
class ShardCollector {
  readonly items: JobItem[] = []
  readonly #plan: ArchivePlan
  #shard: number
  #members: ShardMember[] = []
  /** Of the shard under way: in the archive, of its objects, and of its list. */
  #archiveBytes = 0
  #sizeBytes = 0
  #manifestBytes = 0
  #closedMembers = 0
  #closedBytes = 0

  constructor(plan: ArchivePlan, shard: number) {
    this.#plan = plan
    this.#shard = shard
  }

  /** Number of the shard under way. */
  get shard(): number {
    return this.#shard
  }

  get isEnough(): boolean {
    return this.#closedMembers >= STEP_MEMBERS_MIN || this.#closedBytes >= MANIFEST_BYTES_MAX / 2
  }

  /** @returns whether that closed a shard, `with` this member or `without` it */
  add(member: ShardMember): 'with' | 'without' | undefined {
    const plan = this.#plan
    const sizeBytes = member.version?.sizeBytes ?? 0
    const name = plan.memberNameOf(member.key)
    const archived = memberBytes(plan.format, { name, sizeBytes })
    const entry = Buffer.byteLength(member.key) + (member.version?.etag.length ?? 0)
    const listed = entry + MANIFEST_ENTRY_BYTES
    const tooMuch =
      this.#members.length > 0 &&
      (this.#archiveBytes + archived > plan.shardBytes ||
        this.#manifestBytes + listed > MANIFEST_BYTES_MAX)
    if (tooMuch) this.close()
    this.#begin(member.key)
    this.#members.push(member)
    this.#archiveBytes += archived
    this.#sizeBytes += sizeBytes
    this.#manifestBytes += listed
    if (this.#members.length < plan.shardMembers) return tooMuch ? 'without' : undefined
    this.close()
    return 'with'
  }

  /** Ends the shard under way, if it has members. */
  close(): void {
    if (this.#members.length === 0) return
    const extra: JsonObject = { shard: this.#shard, members: this.#members.map(encodeMember) }
    this.items.push({ key: this.#plan.name.keyOf(this.#shard), sizeBytes: this.#sizeBytes, extra })
    this.#closedMembers += this.#members.length
    this.#closedBytes += this.#manifestBytes
    this.#shard += 1
    this.#members = []
    this.#archiveBytes = 0
    this.#sizeBytes = 0
    this.#manifestBytes = 0
  }

  /** @throws Failure `argument-invalid` */
  #begin(key: string): void {
    if (!this.#plan.name.single || this.#shard === 0) return
    throw new Failure(
      'argument-invalid',
      `${this.#plan.name.keyOf(0)} would be too large with ${key}: give a name with a number, like shard-%06d.tar`,
    )
  }
}

function isMember(
  { plan, source, destination }: ShardStep,
  { key, version }: ShardMember,
): boolean {
  if (key.endsWith('/') && (version?.sizeBytes ?? 0) === 0) return false
  return source.id !== destination.id || !plan.name.matches(key)
}

/** The next objects of whatever the order selects. */
async function nextBatch(context: JobContext, step: ShardStep, place: Place): Promise<Batch> {
  const { keys, template, prefix } = step.plan.selection
  if (keys !== undefined)
    return namedBatch(context, step, { place, count: keys.length, keyAt: (at) => keys[at] ?? '' })
  if (template === undefined) return listedBatch(context, step, { place, prefix: prefix ?? '' })
  const parsed = parseTemplate(template)
  if (parsed.kind === 'range')
    return namedBatch(context, step, { place, ...parsed, keyAt: parsed.keyAt })
  return listedBatch(context, step, {
    place,
    prefix: parsed.kind === 'prefix' ? parsed.prefix : '',
  })
}

async function listedBatch(
  context: JobContext,
  { source, plan, lease }: ShardStep,
  { place, prefix }: { readonly place: Place; readonly prefix: string },
): Promise<Batch> {
  lease.signal.throwIfAborted()
  const page = await context.target.list({
    bucket: source,
    prefix,
    delimiter: plan.selection.flat === true ? '/' : undefined,
    after: place.after,
    token: place.token,
    pageMax: PAGE_ITEMS_MAX,
    signal: lease.signal,
  })
  const members = page.objects.map(({ key, etag, sizeBytes, lastModifiedMs }) => ({
    member: { key, version: { etag, sizeBytes, lastModifiedMs } },
    behind: { after: key },
  }))
  const { nextToken } = page
  return { members, next: nextToken === undefined ? undefined : { token: nextToken } }
}

async function namedBatch(
  context: JobContext,
  { source, lease, plan }: ShardStep,
  names: {
    readonly place: Place
    readonly count: number
    keyAt(position: number): string
  },
): Promise<Batch> {
  lease.signal.throwIfAborted()
  const from = names.place.at ?? 0
  const end = Math.min(names.count, from + HEADS_AT_ONCE)
  const asked = Array.from({ length: end - from }, (_, index) =>
    headMember(context, source, { key: names.keyAt(from + index), signal: lease.signal }),
  )
  const found = (await Promise.all(asked)).map((member, index) => ({
    member,
    behind: { at: from + index + 1 },
  }))
  return {
    members: plan.skipsMissing ? found.filter(({ member }) => member.version !== undefined) : found,
    next: end < names.count ? { at: end } : undefined,
  }
}

/** The object of a key as it is now. */
export async function headMember(
  context: JobContext,
  bucket: BucketRecord,
  { key, signal }: { readonly key: string; readonly signal: AbortSignal },
): Promise<ShardMember> {
  const head = await context.target.head({ bucket, key, conditions: {}, signal })
  if (head.kind !== 'found') return { key }
  const { etag, sizeBytes, lastModifiedMs } = head.attributes
  return { key, version: { etag, sizeBytes, lastModifiedMs } }
}

function encodeMember({ key, version }: ShardMember): readonly (string | number)[] {
  if (version === undefined) return [key]
  return [key, version.etag, version.sizeBytes, version.lastModifiedMs]
}

function decodeMember(entry: unknown): ShardMember {
  const [key, etag, sizeBytes, lastModifiedMs] = Array.isArray(entry) ? entry : []
  if (typeof key !== 'string') throw new Failure('internal', 'a shard lists a member without a key')
  if (
    typeof etag !== 'string' ||
    typeof sizeBytes !== 'number' ||
    typeof lastModifiedMs !== 'number'
  ) {
    return { key }
  }
  return { key, version: { etag, sizeBytes, lastModifiedMs } }
}

function parseCursor(cursor: string | undefined): {
  readonly shard: number
  readonly place: Place
} {
  if (cursor === undefined) return { shard: 0, place: {} }
  const { shard, place } = JSON.parse(cursor)
  if (!Number.isSafeInteger(shard) || typeof place !== 'object' || place === null)
    throw new Failure('argument-invalid', `"${cursor}" is no place in a list`)
  return { shard, place }
}
