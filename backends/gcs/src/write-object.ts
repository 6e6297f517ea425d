import { randomBytes } from 'node:crypto'
import type { UploadBody, WriteOptions, WriteResult } from '@forebay/backend-port/backend'
import { UploadStream } from '@forebay/backend-transport/upload-stream'
import { crc32c } from '@forebay/base/digest'
import { Failure } from '@forebay/base/failure'
import type { ChecksumAlgorithm } from '@forebay/model/checksum'
import { askDocument } from './buckets.ts'
import { bucketMissing } from './classify-error.ts'
import { describe, type Place } from './connection.ts'
import {
  describingResource,
  OBJECT_FIELDS,
  type ObjectResource,
  parseObject,
  textOf,
} from './object-resource.ts'
import { checksumsOf, etagOf, versionOfResource } from './object-version.ts'
import { generationConditions } from './write-conditions.ts'

/**
 * Writes a whole object in one request, description and bytes in a multipart/related body.
 *
 * The boundary that ends it goes out when the source has ended well, so a body that was cut is none.
 * Digests that are known beforehand are stated, and the store refuses other bytes; the CRC32C of what
 * was sent is compared with the store's in any case.
 */
export async function writeObject(
  place: Place,
  options: WriteOptions,
  body: UploadBody,
): Promise<WriteResult> {
  const { key, signal } = options
  const what = describe('PUT', place.bucket, key)
  const conditions = await generationConditions(place, options)
  // Nobody can guess it, so no body contains it.
  const boundary = randomBytes(24).toString('hex')
  const sent = new SentBytes(body, statedHex(options, 'crc32c'))
  const upload = new UploadStream(sent, 'plain', envelopeOf(options, boundary))
  const answer = await askDocument(place.connection, {
    method: 'POST',
    path: `/upload/storage/v1/b/${encodeURIComponent(place.bucket)}/o`,
    query: { uploadType: 'multipart', ...conditions, fields: OBJECT_FIELDS },
    headers: { 'content-type': `multipart/related; boundary=${boundary}` },
    upload,
    signal,
    what,
  }).catch(bucketMissing)
  const object = parseObject(answer, what)
  checkKept(object, sent, what)
  return resultOf(object)
}

/** What a writer is told about the version that it made. */
export function resultOf(object: ObjectResource): WriteResult {
  const version = versionOfResource(object)
  return {
    etag: etagOf(version),
    generation: version.generation,
    checksums: checksumsOf(version),
    // What a HEAD will name; the answer's Date may be a second later.
    dateMs: object.updatedMs,
  }
}

function envelopeOf(
  options: WriteOptions,
  boundary: string,
): { readonly head: Buffer; readonly tail: Buffer } {
  const resource = {
    name: options.key,
    ...describingResource(options),
    md5Hash: base64(options.contentMd5Hex ?? statedHex(options, 'md5')),
    crc32c: base64(statedHex(options, 'crc32c')),
  }
  const head = [
    `--${boundary}`,
    'Content-Type: application/json; charset=UTF-8',
    '',
    JSON.stringify(resource),
    `--${boundary}`,
    `Content-Type: ${mediaTypeOf(resource)}`,
    '',
    '',
  ].join('\r\n')
  return { head: Buffer.from(head), tail: Buffer.from(`\r\n--${boundary}--\r\n`) }
}

/** As a line of a head can have it; the description has it as it is. */
function mediaTypeOf(resource: Readonly<Record<string, unknown>>): string {
  const type = textOf(resource['contentType']) ?? ''
  return /^[\x20-\x7e]+$/.test(type) ? type : 'application/octet-stream'
}

function statedHex(options: WriteOptions, algorithm: ChecksumAlgorithm): string | undefined {
  return options.checksums.find((each) => each.algorithm === algorithm && each.kind === 'whole')
    ?.hex
}

function base64(hex: string | undefined): string | undefined {
  return hex === undefined ? undefined : Buffer.from(hex, 'hex').toString('base64')
}

/** The bytes that went out, and the CRC32C of them. */
class SentBytes implements UploadBody {
  readonly #body: UploadBody
  readonly #statedHex: string | undefined
  #crc = 0

  constructor(body: UploadBody, statedHex: string | undefined) {
    this.#body = body
    this.#statedHex = statedHex
  }

  get lengthBytes(): number {
    return this.#body.lengthBytes
  }

  get repeatable(): boolean {
    return this.#body.repeatable
  }

  get crc32cHex(): string {
    return this.#crc.toString(16).padStart(8, '0')
  }

  /** Fails before the end goes out when the bytes are not those that were stated. */
  async *chunks(): AsyncGenerator<Buffer> {
    this.#crc = 0
    for await (const chunk of this.#body.chunks()) {
      this.#crc = crc32c(chunk, this.#crc)
      yield chunk
    }
    if (this.#statedHex !== undefined && this.#statedHex !== this.crc32cHex) {
      const message = `the bytes have CRC32C ${this.crc32cHex}, not ${this.#statedHex}`
      throw new Failure('digest-mismatch', message)
    }
  }
}

/** @throws Failure `backend-corrupt` when the store has other bytes than were sent */
function checkKept(object: ObjectResource, sent: SentBytes, what: string): void {
  if (object.sizeBytes !== sent.lengthBytes) {
    const message = `${what}: the store has ${object.sizeBytes} bytes of ${sent.lengthBytes}`
    throw new Failure('backend-corrupt', message)
  }
  const { crc32cHex } = versionOfResource(object)
  if (crc32cHex !== undefined && crc32cHex !== sent.crc32cHex) {
    const message = `${what}: the store has bytes with CRC32C ${crc32cHex}, not ${sent.crc32cHex}`
    throw new Failure('backend-corrupt', message)
  }
}
