import type { Tags } from '@forebay/model/object'
import type { ObjectAddress } from '@forebay/peer/target-port'
import { parseTagging, renderTagging, TAGGING_BYTES_MAX } from '@forebay/s3/tagging'
import type { Exchange, FlatHeaders } from './exchange.ts'
import { readDocument } from './open-body.ts'

/** GetObjectTagging: all tags of an object or of one version of it. */
export async function getObjectTagging(exchange: Exchange, address: ObjectAddress): Promise<void> {
  const { target } = exchange.context
  const { tags, versionId } = await target.getTags(tagsOf(exchange, address))
  exchange.sendXml(renderTagging(tags), versionHeaders(versionId))
}

/** PutObjectTagging: replaces all tags of an object or of one version of it. */
export async function putObjectTagging(exchange: Exchange, address: ObjectAddress): Promise<void> {
  const document = await readDocument(exchange, { bytesMax: TAGGING_BYTES_MAX })
  await replace(exchange, address, { tags: parseTagging(document, 'object'), status: 200 })
}

/** DeleteObjectTagging: removes all tags of an object or of one version of it. */
export async function deleteObjectTagging(
  exchange: Exchange,
  address: ObjectAddress,
): Promise<void> {
  await replace(exchange, address, { tags: [], status: 204 })
}

async function replace(
  exchange: Exchange,
  address: ObjectAddress,
  { tags, status }: { readonly tags: Tags; readonly status: 200 | 204 },
): Promise<void> {
  const { target } = exchange.context
  const { versionId } = await target.putTags({ ...tagsOf(exchange, address), tags })
  exchange.sendEmpty(status, versionHeaders(versionId))
}

function tagsOf(exchange: Exchange, address: ObjectAddress) {
  const versionId = exchange.target.query.get('versionId')
  return { ...address, versionId, signal: exchange.signal }
}

function versionHeaders(versionId: string | undefined): FlatHeaders {
  return versionId === undefined ? [] : ['x-amz-version-id', versionId]
}
