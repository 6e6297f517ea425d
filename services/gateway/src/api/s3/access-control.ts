import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import type { ObjectAddress } from '@forebay/peer/target-port'
import {
  checkAclDocument,
  checkAclHeaders,
  parseOwnership,
  renderAcl,
  renderOwnership,
} from '@forebay/s3/access-control'
import type { Exchange } from './exchange.ts'
import { readDocument } from './open-body.ts'
import { readFailure } from './read-answer.ts'

/** GetBucketAcl: its owner may do everything. */
export async function getBucketAcl(exchange: Exchange): Promise<void> {
  exchange.sendXml(renderAcl(exchange.owner))
}

/** PutBucketAcl: takes what holds anyway, and refuses everything else. */
export async function putBucketAcl(exchange: Exchange): Promise<void> {
  await checkAcl(exchange)
  exchange.sendEmpty(200)
}

/** GetObjectAcl: as that of a bucket, of an object that exists. */
export async function getObjectAcl(exchange: Exchange, address: ObjectAddress): Promise<void> {
  await requireObject(exchange, address)
  exchange.sendXml(renderAcl(exchange.owner))
}

/** PutObjectAcl: as that of a bucket, of an object that exists. */
export async function putObjectAcl(exchange: Exchange, address: ObjectAddress): Promise<void> {
  await checkAcl(exchange)
  await requireObject(exchange, address)
  exchange.sendEmpty(200)
}

/** GetBucketOwnershipControls: what a new bucket has, unless a client said otherwise. */
export async function getBucketOwnershipControls(
  exchange: Exchange,
  bucket: BucketRecord,
): Promise<void> {
  const ownership = bucket.s3?.ownership ?? 'BucketOwnerEnforced'
  if (ownership === 'none') {
    throw new Failure('configuration-absent', 'a client removed the ownership controls', {
      facts: { configuration: 'ownershipControls' },
    })
  }
  exchange.sendXml(renderOwnership(ownership))
}

/** PutBucketOwnershipControls: kept and read back; it changes nothing (`ObjectOwnership`). */
export async function putBucketOwnershipControls(
  exchange: Exchange,
  bucket: BucketRecord,
): Promise<void> {
  const ownership = parseOwnership(await readDocument(exchange))
  await exchange.context.table.update(bucket.id, { s3: { ownership } })
  exchange.sendEmpty(200)
}

/** DeleteBucketOwnershipControls: 204 whether or not there were any. */
export async function deleteBucketOwnershipControls(
  exchange: Exchange,
  bucket: BucketRecord,
): Promise<void> {
  await exchange.context.table.update(bucket.id, { s3: { ownership: 'none' } })
  exchange.sendEmpty(204)
}

async function checkAcl(exchange: Exchange): Promise<void> {
  const stated = checkAclHeaders(exchange.headers)
  const document = await readDocument(exchange)
  if (document.length > 0) {
    if (stated) {
      throw new Failure('bad-request', 'the list is stated twice: in x-amz-acl and in the body')
    }
    return checkAclDocument(document, exchange.owner)
  }
  if (stated) return
  throw new Failure('header-missing', 'your request was missing a required header', {
    facts: { missingHeaderName: 'x-amz-acl' },
  })
}

async function requireObject(exchange: Exchange, address: ObjectAddress): Promise<void> {
  const { signal } = exchange
  const versionId = exchange.target.query.get('versionId')
  const answer = await exchange.context.target.head({
    ...address,
    versionId,
    conditions: {},
    signal,
  })
  if (answer.kind === 'found' || answer.kind === 'not-modified') return
  throw readFailure(exchange, answer)
}
