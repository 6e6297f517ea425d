/** An archive that is added to: what of it is kept, read at the version that was found. */

import type { ByteFile } from '@forebay/archive/byte-source'
import { findTarEnd } from '@forebay/archive/reader'
import { Failure } from '@forebay/base/failure'
import type { ObjectAttributes } from '@forebay/model/object'
import type { ByteRange } from '@forebay/model/range'
import type { ObjectBody } from '@forebay/peer/bodies'
import type { ObjectAddress, TargetPort } from '@forebay/peer/target-port'

export interface BaseRequest extends ObjectAddress {
  readonly attributes: Pick<ObjectAttributes, 'etag' | 'sizeBytes'>
  readonly target: TargetPort
  readonly signal: AbortSignal
}

/** The members of a TAR as they are, without its end. */
export interface KeptBase {
  readonly sizeBytes: number
  /** Hands the bytes to `write`, in order. */
  pump(write: (chunk: Buffer) => void | Promise<void>, signal: AbortSignal): Promise<void>
}

/**
 * Walks over the headers of a TAR to where its members end.
 *
 * @throws Failure `archive-invalid` for what is no TAR, `precondition-failed` when it changes meanwhile
 */
export async function openBase(request: BaseRequest): Promise<KeptBase> {
  const { attributes, signal } = request
  const file: ByteFile = {
    sizeBytes: attributes.sizeBytes,
    read: (offset, lengthBytes) => readRange(request, { offset, lengthBytes }),
  }
  const sizeBytes = await findTarEnd(file)
  signal.throwIfAborted()
  return {
    sizeBytes,
    pump: async (write, until) => {
      if (sizeBytes === 0) return
      const body = await openRange(request, { offset: 0, lengthBytes: sizeBytes })
      await body.pump(write, until)
    },
  }
}

async function readRange(request: BaseRequest, range: ByteRange): Promise<Buffer> {
  const chunks: Buffer[] = []
  const body = await openRange(request, range)
  await body.pump((chunk) => {
    chunks.push(chunk)
  }, request.signal)
  return Buffer.concat(chunks)
}

async function openRange(
  { target, bucket, key, attributes, signal }: BaseRequest,
  { offset, lengthBytes }: ByteRange,
): Promise<Pick<Required<ObjectBody>, 'pump'>> {
  const answer = await target.read({
    bucket,
    key,
    range: { kind: 'from-to', first: offset, last: offset + lengthBytes - 1 },
    conditions: { ifMatch: [attributes.etag] },
    signal,
  })
  if (answer.kind !== 'found')
    throw new Failure('precondition-failed', `${key}: the archive changed while it was added to`)
  const { body } = answer
  const { pump } = body
  if (body.lengthBytes === lengthBytes && pump !== undefined)
    return { pump: (write, until) => pump.call(body, write, until) }
  body.close()
  throw new Failure('internal', `${key}: its bytes cannot be had`)
}
