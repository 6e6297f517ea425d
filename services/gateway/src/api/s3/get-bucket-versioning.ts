import type { BucketRecord } from '@forebay/model/bucket'
import { xmlDocument, xmlElement } from '@forebay/s3/xml-write'
import type { Exchange } from './exchange.ts'

/** GetBucketVersioning: nothing for a bucket without versions, else what its backend says. */
export async function getBucketVersioning(exchange: Exchange, bucket: BucketRecord): Promise<void> {
  const { target } = exchange.context
  const status =
    bucket.backend === undefined
      ? undefined
      : await target.versioningOf({ bucket, signal: exchange.signal })
  exchange.sendXml(xmlDocument('VersioningConfiguration', xmlElement('Status', status)))
}
