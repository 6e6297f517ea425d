import { randomUUID } from 'node:crypto'
import type { UploadBody, WriteOptions } from '@forebay/backend-port/backend'
import { isUndecided } from '@forebay/backend-port/undecided'
import type { Headers } from '@forebay/backend-transport/conditional-headers'
import { UploadStream } from '@forebay/backend-transport/upload-stream'
import { Failure } from '@forebay/base/failure'
import { BlockSource } from './block-source.ts'
import { describe, objectPath, type Place } from './connection.ts'
import { conditionHeaders, describingHeaders } from './request-headers.ts'
import { base64, sendForHeaders, statedMd5Hex, type Written, writtenOf } from './send-write.ts'

/** Blocks of one object (Azure, "Put Block List"). */
export const BLOCKS_MAX = 50_000

/**
 * Writes an object as blocks, one after the other as the body comes, and commits their list.
 *
 * Conditions are decided on the list. When another write of the key is committed meanwhile, the
 * service drops the blocks, and the list is refused as `conditional-conflict`.
 */
export async function writeInBlocks(
  place: Place,
  options: WriteOptions,
  body: UploadBody,
): Promise<Written> {
  const { key, signal } = options
  const headers = committingHeaders(options)
  const blockBytes = Math.max(place.connection.blockBytes, Math.ceil(body.lengthBytes / BLOCKS_MAX))
  const blockIds: string[] = []
  const newId = blockIdMaker()
  const source = new BlockSource(body)
  try {
    for (let offset = 0; offset < body.lengthBytes; offset += blockBytes) {
      const lengthBytes = Math.min(blockBytes, body.lengthBytes - offset)
      const upload = new UploadStream(source.block(lengthBytes), 'plain')
      const blockId = newId(blockIds.length)
      await sendForHeaders(place, {
        method: 'PUT',
        target: blockTarget(place, key, blockId),
        upload,
        what: describe('PUT of a block of', place.bucket, key),
        signal,
      }).catch((error: unknown) => {
        throw upload.failure === undefined ? neverCommitted(error) : error
      })
      blockIds.push(blockId)
    }
    // The verdict on the bytes may come after the last of them.
    await source.end()
  } finally {
    await source.close()
  }
  return commitBlocks(place, { key, headers, blockIds, signal })
}

/** What goes with the list of blocks. */
export function committingHeaders(options: WriteOptions): Headers {
  const md5Hex = statedMd5Hex(options)
  return {
    ...describingHeaders(options),
    // Kept, not verified: the service sees the blocks one by one.
    ...(md5Hex === undefined ? {} : { 'x-ms-blob-content-md5': base64(md5Hex) }),
    ...conditionHeaders(options.conditions),
  }
}

/**
 * Ids of 48 characters, as the vendor's SDKs make them: all blocks of a blob must have ids of one
 * length, those that other programs left uncommitted too.
 */
export function blockIdMaker(): (blockIndex: number) => string {
  const upload = randomUUID()
  return (blockIndex) =>
    Buffer.from(`${upload}${String(blockIndex).padStart(12, '0')}`).toString('base64')
}

export function blockTarget(place: Place, key: string, blockId: string): string {
  return `${objectPath(place.bucket, key)}?comp=block&blockid=${encodeURIComponent(blockId)}`
}

/** Makes the object of blocks; the request that commits. */
export async function commitBlocks(
  place: Place,
  list: {
    readonly key: string
    readonly headers: Headers
    readonly blockIds: readonly string[]
    readonly signal: AbortSignal
  },
): Promise<Written> {
  const { key, headers, blockIds, signal } = list
  const names = blockIds.map((id) => `<Uncommitted>${id}</Uncommitted>`).join('')
  const document = Buffer.from(
    `<?xml version="1.0" encoding="utf-8"?><BlockList>${names}</BlockList>`,
  )
  const body: UploadBody = {
    lengthBytes: document.length,
    repeatable: true,
    async *chunks() {
      yield document
    },
  }
  const answer = await sendForHeaders(place, {
    method: 'PUT',
    target: `${objectPath(place.bucket, key)}?comp=blocklist`,
    headers: { ...headers, 'content-type': 'application/xml' },
    upload: new UploadStream(body, 'plain'),
    what: describe('PUT', place.bucket, key),
    signal,
  })
  return writtenOf(answer)
}

/** A failure before the list went out: nothing was applied, so the write may be repeated. */
export function neverCommitted(error: unknown): unknown {
  if (!(error instanceof Failure) || !isUndecided(error)) return error
  const { code, message, hint, retryAfterSeconds } = error
  return new Failure(code, message, {
    cause: error,
    facts: { ...error.facts, notSent: true },
    ...(hint === undefined ? {} : { hint }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  })
}
