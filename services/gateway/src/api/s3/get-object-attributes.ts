import type { ObjectAddress } from '@forebay/peer/target-port'
import { parseConditions } from '@forebay/s3/conditions'
import { formatHttpDate } from '@forebay/s3/dates'
import { parseObjectAttributes, renderObjectAttributes } from '@forebay/s3/object-attributes'
import { header } from '@forebay/s3/request-headers'
import type { Exchange } from './exchange.ts'
import { parsePageHeader } from './page-number.ts'
import { notModifiedHeaders, readFailure } from './read-answer.ts'

/** GetObjectAttributes: tag, checksum, parts, storage class and size, as far as asked for. */
export async function getObjectAttributes(
  exchange: Exchange,
  address: ObjectAddress,
): Promise<void> {
  const { headers } = exchange
  const wanted = parseObjectAttributes(headers)
  const page = {
    afterPart: parsePageHeader(header(headers, 'x-amz-part-number-marker'), 0),
    pageMax: Math.min(parsePageHeader(header(headers, 'x-amz-max-parts'), 1000), 1000),
  }
  const answer = await exchange.context.target.head({
    ...address,
    versionId: exchange.target.query.get('versionId'),
    conditions: parseConditions(headers),
    signal: exchange.signal,
  })
  switch (answer.kind) {
    case 'found': {
      const { attributes, cache } = answer
      exchange.cache = cache.status
      return exchange.sendXml(renderObjectAttributes(attributes, wanted, page), [
        'Last-Modified',
        formatHttpDate(attributes.lastModifiedMs),
        'Forebay-Cache',
        cache.status,
        'Age',
        cache.ageSeconds,
      ])
    }
    case 'not-modified':
      return exchange.sendEmpty(304, notModifiedHeaders(exchange, answer))
    default:
      throw readFailure(exchange, answer)
  }
}
