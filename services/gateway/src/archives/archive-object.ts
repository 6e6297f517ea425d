/** An archive that is an object: any part of it, of the version that was found. */
import type { ByteFile } from '@forebay/archive/byte-source'
import {
  type ArchiveFormat,
  formatOfBytes,
  formatOfName,
  MAGIC_BYTES,
} from '@forebay/archive/format'
import { Failure } from '@forebay/base/failure'
import type { ObjectAttributes } from '@forebay/model/object'
import type { ObjectBody } from '@forebay/peer/bodies'
import type { ObjectAddress, TargetPort } from '@forebay/peer/target-port'

/** Read at first, and after each jump, bytes. */
const READ_AHEAD_MIN_BYTES = 64 * 1024

/** Read at once where reads follow one another, bytes: what one archive holds in memory. */
const READ_AHEAD_MAX_BYTES = 1024 ** 2

export interface ArchiveRequest extends ObjectAddress {
  readonly target: TargetPort
  readonly attributes: Pick<ObjectAttributes, 'etag' | 'sizeBytes'>
  readonly signal: AbortSignal
}

/** Reads the object in pieces that grow while they follow one another, and holds the last one. */
export class ArchiveObject implements ByteFile {
  readonly sizeBytes: number
  readonly #request: ArchiveRequest
  #held: Buffer = Buffer.alloc(0)
  #heldOffset = 0
  #aheadBytes = READ_AHEAD_MIN_BYTES

  constructor(request: ArchiveRequest) {
    this.sizeBytes = request.attributes.sizeBytes
    this.#request = request
  }

  /** @throws Failure `precondition-failed` when the object changed since, and as `TargetPort.read` */
  async read(offsetBytes: number, lengthBytes: number): Promise<Buffer> {
    const heldEnd = this.#heldOffset + this.#held.length
    if (offsetBytes < this.#heldOffset || offsetBytes + lengthBytes > heldEnd) {
      const follows = offsetBytes >= this.#heldOffset && offsetBytes <= heldEnd
      this.#aheadBytes = follows
        ? Math.min(2 * this.#aheadBytes, READ_AHEAD_MAX_BYTES)
        : READ_AHEAD_MIN_BYTES
      const wantedBytes = Math.max(lengthBytes, this.#aheadBytes)
      const endBytes = Math.min(this.sizeBytes, offsetBytes + wantedBytes)
      this.#held = await this.#fetch(offsetBytes, endBytes - offsetBytes)
      this.#heldOffset = offsetBytes
    }
    const from = offsetBytes - this.#heldOffset
    return this.#held.subarray(from, from + lengthBytes)
  }

  /** A part to be sent as it is; whoever gets it sends or closes it. @throws as `read` */
  async open(offsetBytes: number, lengthBytes: number): Promise<ObjectBody> {
    const { target, bucket, key, attributes, signal } = this.#request
    const answer = await target.read({
      bucket,
      key,
      range: { kind: 'from-to', first: offsetBytes, last: offsetBytes + lengthBytes - 1 },
      conditions: { ifMatch: [attributes.etag] },
      signal,
    })
    if (answer.kind !== 'found') {
      throw new Failure('precondition-failed', `${key}: the archive changed while it was read`)
    }
    if (answer.body.lengthBytes === lengthBytes) return answer.body
    answer.body.close()
    throw new Failure('archive-invalid', 'the archive cannot be read: it ends in the middle')
  }

  async #fetch(offsetBytes: number, lengthBytes: number): Promise<Buffer> {
    const body = await this.open(offsetBytes, lengthBytes)
    const small = body.take()
    if (small !== undefined) return small
    if (body.pump === undefined) {
      body.close()
      throw new Failure('internal', `${this.#request.key}: its bytes cannot be had`)
    }
    const bytes = Buffer.allocUnsafe(lengthBytes)
    let filled = 0
    await body.pump((chunk) => {
      filled += chunk.copy(bytes, filled)
    }, this.#request.signal)
    return bytes
  }
}

/** AIStore's words for formats, and the content types that mean them. */
const FORMATS: Readonly<Record<string, ArchiveFormat>> = {
  tar: 'tar',
  tgz: 'tgz',
  'tar.gz': 'tgz',
  zip: 'zip',
  'tar.lz4': 'tar.lz4',
  'application/x-tar': 'tar',
  'application/gzip': 'tgz',
  'application/x-gzip': 'tgz',
  'application/zip': 'zip',
  'application/x-lz4': 'tar.lz4',
}

/** The format that a request states; `undefined`: none. @throws Failure `argument-invalid` */
export function parseFormat(mime: string): ArchiveFormat | undefined {
  if (mime === '') return undefined
  const word = mime.replace(/^\./, '').toLowerCase()
  const format = Object.hasOwn(FORMATS, word) ? FORMATS[word] : undefined
  if (format !== undefined) return format
  throw new Failure(
    'argument-invalid',
    `archmime "${mime.slice(0, 64)}" is no format of archives`,
    {
      hint: 'It is one of .tar, .tgz, .tar.gz, .zip and .tar.lz4.',
    },
  )
}

/**
 * The format of an archive: by its name, else by its first bytes.
 *
 * @throws Failure `archive-invalid` for what is none
 */
export async function formatOf(key: string, file: ByteFile): Promise<ArchiveFormat> {
  const named = formatOfName(key)
  if (named !== undefined) return named
  const headBytes = Math.min(MAGIC_BYTES, file.sizeBytes)
  const format = headBytes === 0 ? undefined : formatOfBytes(await file.read(0, headBytes))
  if (format !== undefined) return format
  throw new Failure('archive-invalid', `${key} is no archive that can be read here`, {
    hint: 'State archmime where neither name nor first bytes tell the format.',
  })
}
