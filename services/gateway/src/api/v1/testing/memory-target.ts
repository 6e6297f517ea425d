import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { Failure } from '@forebay/base/failure'
import { hashBuffer } from '@forebay/base/hash/digester'
import type { ChecksumAlgorithm } from '@forebay/model/checksum'
import { compareKeys } from '@forebay/model/key'
import type { ObjectAttributes } from '@forebay/model/object'
import { resolveRange } from '@forebay/model/range'
import type { ObjectBody } from '@forebay/peer/bodies'
import type {
  ChangeNotice,
  CopyRequest,
  DeleteRequest,
  Explanation,
  HeadAnswer,
  ListAnswer,
  ListRequest,
  Noticed,
  ReadAnswer,
  ReadRequest,
  TargetPort,
  WarmAnswer,
  WarmRequest,
  WriteAnswer,
  WriteRequest,
} from '@forebay/peer/target-port'

interface Stored {
  readonly bytes: Buffer
  readonly attributes: ObjectAttributes
}

/** A target over a map: enough of one to exchange real bytes with a door. */
export class MemoryTarget implements TargetPort {
  readonly objects = new Map<string, Stored>()
  /** Every request that came, newest last. */
  readonly requests: unknown[] = []
  readonly notices: ChangeNotice[] = []
  /** Bucket id and key, with a slash between, of what is cached in part. */
  readonly partial = new Set<string>()

  async read(request: ReadRequest): Promise<ReadAnswer> {
    this.requests.push(request)
    const stored = this.objects.get(keyOf(request))
    if (stored === undefined) return { kind: 'absent' }
    const { attributes, bytes } = stored
    const cache = { status: 'hit', ageSeconds: 0 } as const
    if (request.conditions.ifNoneMatch?.includes(attributes.etag) === true) {
      return { kind: 'not-modified', attributes, cache }
    }
    const range =
      request.range === undefined ? undefined : resolveRange(request.range, bytes.length)
    if (request.range !== undefined && range === undefined) {
      return { kind: 'unsatisfiable', sizeBytes: bytes.length }
    }
    const slice =
      range === undefined ? bytes : bytes.subarray(range.offset, range.offset + range.lengthBytes)
    return { kind: 'found', attributes, range, body: new MemoryBody(slice), cache }
  }

  async head(request: ReadRequest): Promise<HeadAnswer> {
    const answer = await this.read(request)
    if (answer.kind !== 'found') return answer
    return { ...answer, range: undefined, cachedBytes: answer.attributes.sizeBytes }
  }

  async write(request: WriteRequest): Promise<WriteAnswer> {
    this.requests.push(request)
    const chunks: Buffer[] = []
    await request.body.pump((chunk) => {
      chunks.push(Buffer.from(chunk))
    }, request.signal)
    const bytes = Buffer.concat(chunks)
    const digests = new Map<ChecksumAlgorithm, string>(
      request.body.digestsNeeded.map((algorithm) => [algorithm, hashBuffer(algorithm, bytes)]),
    )
    const { checksums } = request.body.judge(digests)
    const attributes: ObjectAttributes = {
      sizeBytes: bytes.length,
      etag: 'tag-1',
      lastModifiedMs: 1_795_229_891_000,
      headers: request.headers,
      metadata: request.metadata,
      checksums,
    }
    this.objects.set(keyOf(request), { bytes, attributes })
    return { attributes }
  }

  async delete(request: DeleteRequest): Promise<{ readonly existed: boolean }> {
    return { existed: this.objects.delete(keyOf(request)) }
  }

  async warm(request: WarmRequest): Promise<WarmAnswer> {
    this.requests.push(request)
    return { kind: this.objects.has(keyOf(request)) ? 'cached' : 'absent' }
  }

  async evict(request: DeleteRequest): Promise<boolean> {
    return this.objects.delete(keyOf(request))
  }

  async list(request: ListRequest): Promise<ListAnswer> {
    this.requests.push(request)
    const names = [...this.objects.keys()]
      .filter((name) => name.startsWith(`${request.bucket.id}/`))
      .map((name) => name.slice(name.indexOf('/') + 1))
      .filter((name) => name.startsWith(request.prefix) && name > (request.token ?? ''))
      .sort(compareKeys)
    const page = names.slice(0, request.pageMax)
    return {
      objects: page.map((key) => ({
        key,
        sizeBytes: this.objects.get(`${request.bucket.id}/${key}`)?.bytes.length ?? 0,
        etag: 'tag-1',
        lastModifiedMs: 1_795_229_891_000,
      })),
      commonPrefixes: [],
      nextToken: names.length > page.length ? page.at(-1) : undefined,
    }
  }

  async explain(request: ReadRequest): Promise<Explanation> {
    const stored = this.objects.get(keyOf(request))
    return {
      state:
        stored === undefined ? 'absent' : this.partial.has(keyOf(request)) ? 'partial' : 'whole',
      etag: stored?.attributes.etag,
      unsettled: false,
      fresh: true,
      sizeBytes: stored?.bytes.length ?? 0,
      cachedBytes: stored?.bytes.length ?? 0,
      reasons: [],
      ...(stored === undefined ? {} : { mountpath: '/mp1', lastAccessMs: 1_795_229_892_500 }),
    }
  }

  async sealIfEmpty(): Promise<boolean> {
    return this.objects.size === 0
  }

  /** What it was told of is gone: a memory has nothing to ask. */
  async noticeChange(notice: ChangeNotice): Promise<Noticed> {
    this.notices.push(notice)
    return 'stale'
  }

  async copy(request: CopyRequest): Promise<WriteAnswer> {
    this.requests.push(request)
    const stored = this.objects.get(keyOf(request.source))
    if (stored === undefined) throw new Failure('object-not-found', 'no such source')
    this.objects.set(keyOf(request), stored)
    return { attributes: stored.attributes }
  }

  unseal = refuse

  async dropBucket(): Promise<void> {
    this.objects.clear()
  }

  createUpload = refuse
  writePart = refuse
  copyPart = refuse
  completeUpload = refuse
  abortUpload = refuse
  listParts = refuse
  listUploads = refuse
  getTags = refuse
  putTags = refuse
  getBucketTags = refuse
  putBucketTags = refuse
  versioningOf = refuse
  listVersions = refuse
}

class MemoryBody implements ObjectBody {
  readonly lengthBytes: number
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.lengthBytes = bytes.length
    this.#bytes = bytes
  }

  take(): Buffer | undefined {
    return this.lengthBytes <= 1024 ? this.#bytes : undefined
  }

  async sendTo(response: ServerResponse): Promise<void> {
    response.end(this.#bytes)
  }

  async pump(write: (chunk: Buffer) => void | Promise<void>): Promise<void> {
    await write(this.#bytes)
  }

  close(): void {
    assert(this.lengthBytes >= 0, 'a body in memory holds nothing to close')
  }
}

function keyOf(request: {
  readonly bucket: { readonly id: number }
  readonly key: string
}): string {
  return `${request.bucket.id}/${request.key}`
}

async function refuse(): Promise<never> {
  throw new Failure('not-implemented', 'the memory target does not do this')
}
