import { CATALOGUE, Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import { checkKey } from '@forebay/model/key'
import { type DeleteOutcome, renderDeleted } from '@forebay/s3/documents'
import { type KeyToDelete, parseDeleteList } from '@forebay/s3/request-documents'
import type { Exchange } from './exchange.ts'
import { readDocument } from './open-body.ts'
import { toFailure } from './refuse.ts'

/** Deletions of one request under way at once: a thousand keys must not starve other requests. */
export const DELETIONS_AT_ONCE = 16

/** DeleteObjects: up to 1,000 keys, each with its own outcome, in the order of the request. */
export async function deleteObjects(exchange: Exchange, bucket: BucketRecord): Promise<void> {
  const { keys, quiet } = parseDeleteList(await readDocument(exchange))
  const outcomes: DeleteOutcome[] = []
  const queue = keys.entries()
  const work = async (): Promise<void> => {
    for (const [at, entry] of queue) {
      exchange.signal.throwIfAborted()
      outcomes[at] = await deleteOne(exchange, bucket, entry)
    }
  }
  await Promise.all(Array.from({ length: Math.min(DELETIONS_AT_ONCE, keys.length) }, work))
  exchange.sendXml(renderDeleted(outcomes, quiet))
}

async function deleteOne(
  exchange: Exchange,
  bucket: BucketRecord,
  entry: KeyToDelete,
): Promise<DeleteOutcome> {
  const { key, versionId, etag, otherCondition } = entry
  try {
    if ((versionId !== undefined && versionId !== 'null') || otherCondition) {
      throw new Failure('not-implemented', 'deletions of versions, by date or by size are missing')
    }
    await exchange.context.target.delete({
      bucket,
      key: checkKey(key),
      conditions: etag === undefined ? {} : { ifMatch: [etag] },
      signal: exchange.signal,
    })
    return { kind: 'deleted', key }
  } catch (error) {
    const failure = toFailure(error)
    const ours = failure.status >= 500 && failure.code !== 'not-implemented'
    if (ours) exchange.context.report(error, exchange.requestId)
    const message = failure.code === 'internal' ? 'an internal error' : failure.message
    return { kind: 'failed', key, code: CATALOGUE[failure.code].s3, message }
  }
}
