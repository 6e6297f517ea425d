import type { BackendBody, ReadOptions, ReadResult } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import type { ObjectAttributes } from '@forebay/model/object'
import { matchesPin, type Validators } from '@forebay/model/version'
import { contentLengthOf, parseContentRange } from './answer-headers.ts'
import { type AnswerHeaders, headerOf, type WireAnswer } from './exchange.ts'

/** How an answer to a GET is to be read. */
export interface Expectation {
  /** The request in messages. */
  readonly what: string
  readonly read: ReadOptions
  /** What the head says about the object; 0 bytes where it does not tell a size. */
  attributesOf(headers: AnswerHeaders, sizeBytes: number): ObjectAttributes
}

/**
 * A 200 or 206 as the result of a read.
 *
 * Nothing that the store was asked for is believed: range, lengths and version of the answer are
 * compared with the request, because stores and proxies ignore headers that they do not know. The
 * body is discarded where the result has none; where it throws, it is the caller's.
 *
 * @throws Failure `backend-corrupt` when the answer contradicts the request or itself
 */
export function acceptAnswer(answer: WireAnswer, expected: Expectation): ReadResult {
  const { headers, body } = answer
  const { read: options } = expected
  const part = partOf(answer, expected.what, options)
  body.lengthBytes = part.lengthBytes
  const attributes = expected.attributesOf(headers, part.sizeBytes ?? 0)
  const { validators = {} } = attributes
  if (isOtherVersion(options, validators, part.sizeBytes)) {
    body.discard()
    return { kind: 'changed' }
  }
  if (options.unless !== undefined && matchesPin(options.unless, validators)) {
    body.discard()
    return { kind: 'not-modified' }
  }
  const { offset, lengthBytes, sizeBytes } = part
  return {
    kind: 'found',
    attributes,
    range: { offset, lengthBytes },
    sizeBytes,
    body: body satisfies BackendBody,
  }
}

interface Part {
  readonly offset: number
  readonly lengthBytes: number | undefined
  readonly sizeBytes: number | undefined
}

/** The bytes that the answer says to hold. */
function partOf(answer: WireAnswer, what: string, options: ReadOptions): Part {
  const contentLength = contentLengthOf(answer.headers)
  if (answer.status === 200) {
    return { offset: 0, lengthBytes: contentLength, sizeBytes: contentLength }
  }
  const text = headerOf(answer.headers, 'content-range')
  const range = parseContentRange(text)
  const said = `${what}: the answer has Content-Range ${text ?? '(none)'}`
  if (range === undefined) throw new Failure('backend-corrupt', said)
  const { first, last, totalBytes } = range
  const lengthBytes = last - first + 1
  if (lengthBytes < 1 || (totalBytes !== undefined && last >= totalBytes)) {
    throw new Failure('backend-corrupt', said)
  }
  if (contentLength !== undefined && contentLength !== lengthBytes) {
    throw new Failure('backend-corrupt', `${said} and Content-Length ${contentLength}`)
  }
  const wantedFirst = options.range?.offset ?? 0
  const wantedLast =
    options.range === undefined
      ? (totalBytes ?? Number.POSITIVE_INFINITY) - 1
      : wantedFirst + options.range.lengthBytes - 1
  const whole = options.range === undefined && last !== wantedLast
  if (first !== wantedFirst || last > wantedLast || whole) {
    throw new Failure('backend-corrupt', `${said}, bytes ${wantedFirst}-${wantedLast} were wanted`)
  }
  return { offset: first, lengthBytes, sizeBytes: totalBytes }
}

function isOtherVersion(
  options: ReadOptions,
  validators: Validators,
  sizeBytes: number | undefined,
): boolean {
  const { pin } = options
  if (pin === undefined || pin.kind === 'none') return false
  if (!matchesPin(pin, validators)) return true
  const wanted = options.pinnedSizeBytes
  return wanted !== undefined && sizeBytes !== undefined && sizeBytes !== wanted
}
