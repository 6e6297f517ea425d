/**
 * One file of a download: is it there already; its request; its body into the bucket, in one piece or
 * not at all; and where it came from, as metadata by which the next download knows it.
 */

import { createHash } from 'node:crypto'
import type { WebRead } from '@forebay/backend-port/web'
import { Failure, isFailure } from '@forebay/base/failure'
import { PUT_BYTES_MAX } from '@forebay/base/limits'
import type { Lease } from '@forebay/jobs/engine'
import type { JobItem, JobRecord } from '@forebay/jobs/job'
import {
  checkDownloadKey,
  DOWNLOAD,
  DOWNLOAD_STALL_SECONDS_DEFAULT,
  type DownloadArgs,
} from '@forebay/jobs/kinds/download'
import type { BucketRecord } from '@forebay/model/bucket'
import type { ObjectAttributes, UserMetadata } from '@forebay/model/object'
import { choosePin, type Pin } from '@forebay/model/version'
import type { Guard, WriteAnswer } from '@forebay/peer/target-port'
import { argsOf } from '../args-of.ts'
import type { ItemFlow, ItemResult, JobContext } from '../kind-work.ts'
import { downloadBody, type FoundFile, tooLong } from './download-body.ts'
import { requestHeaders } from './download-headers.ts'
import { TransferWatch } from './download-watch.ts'

/** Longest file unless the job says otherwise, bytes; no larger one is kept by HuggingFace. */
export const FILE_BYTES_DEFAULT = 50 * 1024 ** 3

/** Metadata of a downloaded object: the job, the file's name and what tells its version. */
const META = {
  job: 'forebay-job',
  source: 'forebay-source',
  etag: 'forebay-source-etag',
  modified: 'forebay-source-modified',
} as const

/** Longer names and tags are kept as their SHA-256: user metadata has 2 KiB in all. */
const META_LENGTH_MAX = 768

interface Work {
  readonly job: JobRecord
  readonly item: JobItem
  readonly lease: Lease
  readonly flow?: ItemFlow | undefined
}

/** What an item says about its file. */
interface FileFacts {
  readonly url: string
  /** Names the file over all downloads of it. */
  readonly source: string
  readonly sha256: string | undefined
}

/** One item with all that is known before its file is asked for. */
interface Transfer extends Work {
  readonly args: DownloadArgs
  readonly bucket: BucketRecord
  readonly facts: FileFacts
  readonly url: URL
  /** The file in messages: its URL without the query, which may be a secret. */
  readonly what: string
}

/**
 * @throws Failure `object-not-found` where the server has no such file, `backend-refused` for an address
 *   that may not be connected to, `entity-too-large`, `key-invalid`, `backend-*`
 */
export async function downloadFile(context: JobContext, work: Work): Promise<ItemResult> {
  const { job, item } = work
  const key = checkDownloadKey(item.key)
  const facts = factsOf(item)
  const url = context.web.checkUrl(facts.url)
  const bucket = context.bucketOf(job)
  const what = `${url.origin}${url.pathname}`
  const transfer = { ...work, args: argsOf(DOWNLOAD, job), bucket, facts, url, what }
  const { signal } = work.lease
  const head = await context.target.head({ bucket, key, conditions: {}, signal })
  const current = head.kind === 'found' ? head.attributes : undefined
  const isOurs = current?.metadata[META.job] === job.id
  if (current !== undefined && isOurs && isFrom(current.metadata, facts)) {
    return { kind: 'done', bytes: current.sizeBytes }
  }
  // Whoever wrote it after the order does not want it replaced.
  if (current !== undefined && !isOurs && current.lastModifiedMs >= startOf(job)) {
    return { kind: 'skipped', why: 'changed' }
  }
  return fetchFile(context, transfer, current)
}

async function fetchFile(
  context: JobContext,
  transfer: Transfer,
  current: ObjectAttributes | undefined,
): Promise<ItemResult> {
  const { args, lease, url, what } = transfer
  const watch = new TransferWatch(context.clock, what, {
    stallMs: (args.stallSeconds ?? DOWNLOAD_STALL_SECONDS_DEFAULT) * 1000,
    totalMs: args.timeoutSeconds === undefined ? undefined : args.timeoutSeconds * 1000,
  })
  try {
    const read: WebRead = {
      url,
      headers: requestHeaders(context, args),
      unless: knownPin(current, transfer.facts),
      signal: AbortSignal.any([lease.signal, watch.signal]),
    }
    watch.wait()
    const found = await context.web.read(read)
    if (found.kind === 'not-modified') return { kind: 'skipped', why: 'equal' }
    if (found.kind !== 'found') throw new Failure('object-not-found', `${what} is not there`)
    const bytesMax = bytesMaxOf(transfer)
    if ((found.sizeBytes ?? 0) > bytesMax) {
      found.body.discard()
      throw tooLong(what, bytesMax)
    }
    const body = downloadBody({
      ...{ web: context.web, clock: context.clock, watch, what, read, found, bytesMax },
      sha256: transfer.facts.sha256,
      flow: transfer.flow,
    })
    try {
      const written = await writeFile(context, transfer, { current, found, body })
      if (written === undefined) return { kind: 'skipped', why: 'changed' }
      return { kind: 'done', bytes: written.attributes.sizeBytes }
    } finally {
      found.body.discard()
    }
  } catch (error) {
    throw asItemFailure(error)
  } finally {
    watch.stop()
  }
}

/** @returns undefined when somebody else wrote the key meanwhile */
async function writeFile(
  context: JobContext,
  transfer: Transfer,
  file: {
    readonly current: ObjectAttributes | undefined
    readonly found: FoundFile
    readonly body: ReturnType<typeof downloadBody>
  },
): Promise<WriteAnswer | undefined> {
  const { bucket, item, lease, job, facts } = transfer
  const { current, found, body } = file
  const { contentType, contentEncoding, contentLanguage, contentDisposition } =
    found.attributes.headers
  const guard: Guard = {
    version:
      current === undefined
        ? 'absent'
        : { etag: current.etag, lastModifiedMs: current.lastModifiedMs },
    // What this job itself stored, from elsewhere, is as young as can be.
    beforeMs: current?.metadata[META.job] === job.id ? undefined : startOf(job),
    check: () => lease.check(),
  }
  lease.check()
  try {
    return await context.target.write({
      bucket,
      key: item.key,
      headers: { contentType, contentEncoding, contentLanguage, contentDisposition },
      metadata: metadataOf(job, facts, found),
      conditions: {},
      stated: [],
      md5: false,
      guard,
      body,
      signal: lease.signal,
    })
  } catch (error) {
    if (isFailure(error, 'precondition-failed', 'object-not-found')) return undefined
    throw error
  }
}

function bytesMaxOf({ args, bucket }: Transfer): number {
  const most = args.objectBytesMax ?? FILE_BYTES_DEFAULT
  return bucket.backend === undefined ? most : Math.min(most, PUT_BYTES_MAX)
}

function startOf(job: JobRecord): number {
  return job.startedMs ?? job.createdMs
}

/** What a file said about its version when it was stored; `undefined` where it said nothing that holds. */
function knownPin(current: ObjectAttributes | undefined, facts: FileFacts): Pin | undefined {
  const metadata = current?.metadata ?? {}
  if (!isFrom(metadata, facts)) return undefined
  const etag = metadata[META.etag]
  if (etag !== undefined) return { kind: 'etag', etag }
  const lastModifiedMs = Date.parse(metadata[META.modified] ?? '')
  return Number.isNaN(lastModifiedMs) ? undefined : { kind: 'last-modified', lastModifiedMs }
}

function isFrom(metadata: UserMetadata, { source }: FileFacts): boolean {
  return metadata[META.source] === shortened(source)
}

function metadataOf(job: JobRecord, facts: FileFacts, found: FoundFile): UserMetadata {
  const pin = choosePin(found.attributes.validators ?? {})
  const isTag = pin.kind === 'etag' && /^[\x21-\x7e]{1,256}$/.test(pin.etag)
  return {
    [META.job]: job.id,
    [META.source]: shortened(facts.source),
    ...(isTag ? { [META.etag]: pin.etag } : {}),
    ...(pin.kind === 'last-modified'
      ? { [META.modified]: new Date(pin.lastModifiedMs).toISOString() }
      : {}),
  }
}

function shortened(source: string): string {
  if (source.length <= META_LENGTH_MAX) return source
  return `sha256:${createHash('sha256').update(source).digest('hex')}`
}

function factsOf(item: JobItem): FileFacts {
  const { url, source, sha256 } = item.extra ?? {}
  if (typeof url !== 'string') {
    throw new Failure('argument-invalid', `${item.key}: the job does not say where it is`)
  }
  return {
    url,
    source: typeof source === 'string' ? source : withoutQuery(url),
    sha256: typeof sha256 === 'string' ? sha256 : undefined,
  }
}

/** A query may be a signature, another one each time; but without it two files may have one name. */
function withoutQuery(url: string): string {
  const at = url.indexOf('?')
  if (at < 0) return url
  const digest = createHash('sha256').update(url.slice(at)).digest('hex')
  return `${url.slice(0, at)}?${digest.slice(0, 16)}`
}

/** A server that does not know our request is no reason to end the job, as a node that does not is. */
function asItemFailure(error: unknown): unknown {
  if (!isFailure(error, 'not-implemented')) return error
  return new Failure('backend-refused', error.message, { cause: error })
}
