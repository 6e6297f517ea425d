import type { ObjectAddress } from '@forebay/peer/target-port'
import type { Exchange } from './exchange.ts'
import {
  foundHeaders,
  foundStatus,
  ifRangeHolds,
  notModifiedHeaders,
  parseRead,
  readFailure,
} from './read-answer.ts'

/** HeadObject: the headers that GetObject would answer with, and how much is on local disks. */
export async function headObject(exchange: Exchange, address: ObjectAddress): Promise<void> {
  const { target } = exchange.context
  const request = parseRead(exchange, address)
  let answer = await target.head(request)
  if (
    answer.kind === 'found' &&
    answer.range !== undefined &&
    request.partNumber === undefined &&
    !ifRangeHolds(exchange, answer.attributes)
  ) {
    answer = await target.head(request.withoutRange())
  }
  switch (answer.kind) {
    case 'found': {
      const headers = foundHeaders(exchange, answer)
      headers.push('Forebay-Cached-Bytes', answer.cachedBytes)
      exchange.response.writeHead(foundStatus(answer.range), headers)
      exchange.response.end()
      return
    }
    case 'not-modified':
      return exchange.sendEmpty(304, notModifiedHeaders(exchange, answer))
    default:
      throw readFailure(exchange, answer)
  }
}
