import { Failure } from '@forebay/base/failure'
import { PUT_BYTES_MAX } from '@forebay/base/limits'
import type { ChecksumAlgorithm } from '@forebay/model/checksum'
import type { BodyVerdict, IncomingBody } from '@forebay/peer/bodies'
import { parseChecksumHeader } from '@forebay/s3/checksum-headers'
import {
  boundaryOf,
  FORM_FIELDS_BYTES_MAX,
  type FormFields,
  FormParser,
} from '@forebay/s3/form-parser'
import { header, type RequestHeaders } from '@forebay/s3/request-headers'
import type { Arrival } from './exchange.ts'
import { readMessage } from './incoming-body.ts'

/** Fields that are headers of a PUT by another name, or under their own. */
const HEADER_FIELDS: ReadonlyMap<string, string> = new Map([
  ['acl', 'x-amz-acl'],
  ['cache-control', 'cache-control'],
  ['content-disposition', 'content-disposition'],
  ['content-encoding', 'content-encoding'],
  ['content-language', 'content-language'],
  ['content-type', 'content-type'],
  ['expires', 'expires'],
])

/** Fields of the signature; they say nothing about the object. */
const SIGNATURE_FIELDS: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-signature',
  'x-amz-security-token',
])

/** Name of a header (RFC 9110 §5.6.2). */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/

/**
 * An HTML form on its way in. Its fields come first and are kept; then it waits, with the connection
 * paused, until it is known who asks and whether; the file is then handed on as it comes.
 */
export class FormUpload implements IncomingBody {
  readonly lengthBytes = undefined
  readonly #arrival: Arrival
  readonly #stallTimeoutMs: number
  readonly #stop = new AbortController()
  readonly #opened = Promise.withResolvers<FormFields>()
  /** Settled by `pump` or `abandon`: until then the file is not read. */
  readonly #wanted = Promise.withResolvers<void>()
  #reading: Promise<void> | undefined
  #write: ((chunk: Buffer) => void | Promise<void>) | undefined
  #pending: Buffer[] = []
  #waiting = false
  #fields: FormFields = new Map()
  #fileName = ''
  #sizes = { minBytes: 0, maxBytes: PUT_BYTES_MAX }
  #receivedBytes = 0

  constructor(arrival: Arrival, stallTimeoutMs: number) {
    this.#arrival = arrival
    this.#stallTimeoutMs = stallTimeoutMs
  }

  /**
   * Reads up to the file.
   *
   * @throws Failure `precondition-failed` for a body that is no form, `length-required`,
   *   `entity-too-large`, `form-malformed`, `form-fields-too-large`, `argument-invalid` without a file,
   *   `body-incomplete` | `request-timeout`
   */
  async open(): Promise<FormFields> {
    const { request, response, awaitsContinue } = this.#arrival
    const parser = new FormParser(checkForm(request.headers), {
      onFile: (fields, fileName) => {
        this.#fields = fields
        this.#fileName = fileName
        this.#waiting = true
        this.#opened.resolve(fields)
      },
      onData: (bytes) => {
        this.#pending.push(bytes)
      },
    })
    if (awaitsContinue) response.writeContinue()
    const reading = readMessage(request, {
      take: (wire) => {
        parser.write(wire)
        return this.#handOn()
      },
      stallTimeoutMs: this.#stallTimeoutMs,
      signal: this.#stop.signal,
    }).then(() => parser.end())
    this.#reading = reading
    // Whoever pumps hears of it; before that the fields are what is waited for.
    reading.catch((error: unknown) => this.#opened.reject(error))
    return this.#opened.promise
  }

  get fields(): FormFields {
    return this.#fields
  }

  /** The key, with the name of the client's file where the form asks for it. */
  key(): string {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the word of the S3 API.
    return (this.#fields.get('key') ?? '').split('${filename}').join(this.#fileName)
  }

  /** The fields that are headers of a PUT, one character per byte as Node has them. */
  headers(): RequestHeaders {
    const headers: Record<string, string> = {}
    for (const [field, value] of this.#fields) {
      if (SIGNATURE_FIELDS.has(field)) continue
      const name = HEADER_FIELDS.get(field) ?? (field.startsWith('x-amz-') ? field : undefined)
      // A field that the form leaves empty states nothing.
      if (name === undefined || value === '') continue
      // biome-ignore lint/suspicious/noControlCharactersInRegex: a line end would begin another header.
      if (!HEADER_NAME.test(name) || /[\x00-\x08\x0a-\x1f\x7f]/.test(value)) {
        throw new Failure('argument-invalid', `the field ${field} cannot be a header`)
      }
      headers[name] = Buffer.from(value).toString('latin1')
    }
    return headers
  }

  /** The sizes that the policy allows, bytes, both included. */
  limit(sizes: { readonly minBytes: number; readonly maxBytes: number }): void {
    this.#sizes = {
      minBytes: sizes.minBytes,
      maxBytes: Math.min(sizes.maxBytes, PUT_BYTES_MAX),
    }
  }

  /** Bytes of the file handed out so far. */
  get receivedBytes(): number {
    return this.#receivedBytes
  }

  get digestsNeeded(): readonly ChecksumAlgorithm[] {
    const checksum = parseChecksumHeader(this.headers())
    return checksum === undefined ? [] : [checksum.algorithm]
  }

  async pump(write: (chunk: Buffer) => void | Promise<void>, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    this.#write = write
    const leave = (): void => this.#stop.abort(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    this.#wanted.resolve()
    try {
      await this.#reading
    } finally {
      signal.removeEventListener('abort', leave)
    }
    if (this.#receivedBytes < this.#sizes.minBytes) throw this.#sizeFailure('entity-too-small')
    if (this.#receivedBytes > this.#sizes.maxBytes) throw this.#sizeFailure('entity-too-large')
  }

  judge(digests: ReadonlyMap<ChecksumAlgorithm, string>): BodyVerdict {
    const checksum = parseChecksumHeader(this.headers())
    if (checksum === undefined) return { checksums: [] }
    if (checksum.kind === 'whole' && digests.get(checksum.algorithm) === checksum.hex) {
      return { checksums: [checksum] }
    }
    throw new Failure('digest-mismatch', 'the checksum in the form is not that of its file')
  }

  /** Gives the file up unread. */
  abandon(reason: unknown): void {
    this.#stop.abort(reason)
    this.#wanted.reject(reason)
    this.#wanted.promise.catch(() => undefined)
  }

  /** Hands on what was understood, once somebody wants it. */
  #handOn(): void | Promise<void> {
    if (!this.#waiting) return undefined
    return this.#wanted.promise.then(async () => {
      const chunks = this.#pending
      this.#pending = []
      for (const chunk of chunks) {
        this.#receivedBytes += chunk.length
        // Told at the end, with the size; what is beyond is not kept meanwhile.
        if (this.#receivedBytes <= this.#sizes.maxBytes) await this.#write?.(chunk)
      }
    })
  }

  #sizeFailure(code: 'entity-too-small' | 'entity-too-large'): Failure {
    return new Failure(code, `the file has ${this.#receivedBytes} bytes`, {
      facts: {
        proposedSize: this.#receivedBytes,
        ...(code === 'entity-too-small'
          ? { minSizeAllowed: this.#sizes.minBytes }
          : { maxSizeAllowed: this.#sizes.maxBytes }),
      },
    })
  }
}

/** The boundary of a form whose head is as it must be. */
function checkForm(headers: RequestHeaders): string {
  const type = header(headers, 'content-type') ?? ''
  if (!/^multipart\/form-data(?:;|$)/i.test(type)) {
    throw new Failure('precondition-failed', 'a POST to a bucket is a form', {
      facts: { condition: 'Bucket POST must be of the enclosure-type multipart/form-data' },
    })
  }
  const boundary = boundaryOf(type)
  const length = headers['content-length']
  if (length === undefined) {
    throw new Failure('length-required', 'you must provide the Content-Length HTTP header')
  }
  if (Number(length) > PUT_BYTES_MAX + 2 * FORM_FIELDS_BYTES_MAX) {
    throw new Failure('entity-too-large', 'your proposed upload exceeds the maximum allowed size', {
      facts: { maxSizeAllowed: PUT_BYTES_MAX },
    })
  }
  return boundary
}
