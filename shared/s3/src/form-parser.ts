import { Failure } from '@forebay/base/failure'

/** Everything before the bytes of the file, bytes (S3 API: 20 KB). */
export const FORM_FIELDS_BYTES_MAX = 20 * 1024

/** What may follow the file; S3 ignores it, and so do we, up to here. */
const EPILOGUE_BYTES_MAX = 64 * 1024

/** Characters of a boundary (RFC 2046 §5.1.1). */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/

/** The fields of a form in the order in which they came, by lower-case names. */
export type FormFields = ReadonlyMap<string, string>

/** What a parser finds; `onFile` comes once, before the first byte of the file. */
export interface FormEvents {
  onFile(fields: FormFields, fileName: string): void
  onData(bytes: Buffer): void
}

/**
 * The boundary that a Content-Type names (RFC 7578 §4.1).
 *
 * @throws Failure `form-malformed`
 */
export function boundaryOf(contentType: string): string {
  const match = /;\s*boundary=(?:"([^"]*)"|([^\s;]+))/i.exec(contentType)
  const boundary = match?.[1] ?? match?.[2] ?? ''
  if (!BOUNDARY.test(boundary)) throw malformed('its Content-Type names no boundary')
  return boundary
}

/**
 * Reads `multipart/form-data` as it comes: first the fields, which are kept within bounds, then the
 * part named `file`, whose bytes are handed on and never kept. What follows the file is ignored.
 */
export class FormParser {
  readonly #events: FormEvents
  /** `\r\n--boundary`: ends every part; the first one has no line before it. */
  readonly #delimiter: Buffer
  readonly #fields = new Map<string, string>()
  #state: 'fields' | 'file' | 'epilogue' = 'fields'
  /** Bytes that are not understood yet. */
  #rest = Buffer.from('\r\n')
  #headBytes = 0
  #epilogueBytes = 0

  constructor(boundary: string, events: FormEvents) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
    this.#events = events
  }

  /** @throws Failure `form-malformed` | `form-fields-too-large` */
  write(chunk: Buffer): void {
    if (this.#state === 'epilogue') {
      this.#ignore(chunk.length)
      return
    }
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    if (this.#state === 'file') this.#takeFile(bytes)
    else this.#takeFields(bytes)
  }

  /** The message ended. @throws Failure `form-malformed` when the form did not */
  end(): void {
    if (this.#state === 'fields') {
      throw new Failure('argument-invalid', 'POST requires exactly one file upload per request.', {
        facts: { verbatim: true, argumentName: 'file' },
      })
    }
    if (this.#state === 'file') throw malformed('it ends before its boundary')
  }

  #takeFields(bytes: Buffer): void {
    let at = 0
    for (;;) {
      const part = this.#nextPart(bytes, at)
      if (part === undefined) break
      if (part.name === 'file') {
        this.#headBytes += part.bodyAt - at
        this.#checkHead(0)
        this.#state = 'file'
        this.#events.onFile(this.#fields, part.fileName)
        this.#takeFile(bytes.subarray(part.bodyAt))
        return
      }
      const end = bytes.indexOf(this.#delimiter, part.bodyAt)
      if (end === -1) break
      if (this.#fields.has(part.name)) throw malformed(`the field ${part.name} comes twice`)
      this.#fields.set(part.name, decodeUtf8(bytes.subarray(part.bodyAt, end)))
      this.#headBytes += end - at
      at = end
    }
    this.#rest = Buffer.from(bytes.subarray(at))
    this.#checkHead(this.#rest.length)
  }

  /** The part whose delimiter stands at `at`; undefined while its head has not come. */
  #nextPart(
    bytes: Buffer,
    at: number,
  ): { readonly name: string; readonly fileName: string; readonly bodyAt: number } | undefined {
    const lineAt = at + this.#delimiter.length
    const known = Math.min(bytes.length - at, this.#delimiter.length)
    if (this.#delimiter.compare(bytes, at, at + known, 0, known) !== 0) {
      throw malformed('it does not begin with its boundary')
    }
    if (bytes.length < lineAt + 2) return undefined
    const ending = bytes.toString('latin1', lineAt, lineAt + 2)
    if (ending === '--') this.end()
    if (ending !== '\r\n') throw malformed('a boundary is followed by something else')
    // A part without any header has its empty line at once.
    const headEnd = bytes.indexOf('\r\n\r\n', lineAt)
    if (headEnd === -1) return undefined
    const head = bytes.toString('utf8', lineAt, headEnd)
    return { ...parseHead(head), bodyAt: headEnd + 4 }
  }

  #takeFile(bytes: Buffer): void {
    const end = bytes.indexOf(this.#delimiter)
    if (end !== -1) {
      this.#state = 'epilogue'
      this.#rest = Buffer.alloc(0)
      if (end > 0) this.#events.onData(bytes.subarray(0, end))
      this.#ignore(bytes.length - end)
      return
    }
    // The delimiter may have begun: as many bytes as it could have are held back.
    const sure = Math.max(0, bytes.length - this.#delimiter.length + 1)
    this.#rest = Buffer.from(bytes.subarray(sure))
    if (sure > 0) this.#events.onData(bytes.subarray(0, sure))
  }

  #ignore(bytes: number): void {
    this.#epilogueBytes += bytes
    if (this.#epilogueBytes > EPILOGUE_BYTES_MAX) throw malformed('too much follows its file')
  }

  #checkHead(pendingBytes: number): void {
    if (this.#headBytes + pendingBytes <= FORM_FIELDS_BYTES_MAX) return
    throw new Failure(
      'form-fields-too-large',
      `what precedes the file is longer than ${FORM_FIELDS_BYTES_MAX} bytes`,
    )
  }
}

/** The names in the head of a part (RFC 7578 §4.2). */
function parseHead(head: string): { readonly name: string; readonly fileName: string } {
  const line = /(?:^|\r\n)content-disposition:\s*form-data\s*;([^\r\n]*)/i.exec(head)?.[1] ?? ''
  const name =
    /(?:^|[;\s])name="([^"]*)"/i.exec(line)?.[1] ?? /(?:^|[;\s])name=([^\s;"]+)/i.exec(line)?.[1]
  if (name === undefined || name === '') throw malformed('a part has no name')
  const fileName = /[;\s]filename="([^"]*)"/i.exec(line)?.[1] ?? ''
  return { name: name.toLowerCase(), fileName: fileName.split(/[\\/]/).at(-1) ?? '' }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeUtf8(bytes: Buffer): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw malformed('a field is not UTF-8')
  }
}

function malformed(why: string): Failure {
  return new Failure('form-malformed', `the form is not well-formed: ${why}`)
}
