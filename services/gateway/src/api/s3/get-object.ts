import type { ObjectAddress, ReadAnswer } from '@forebay/peer/target-port'
import type { Exchange } from './exchange.ts'
import {
  foundHeaders,
  foundStatus,
  ifRangeHolds,
  notModifiedHeaders,
  type ObjectRead,
  parseRead,
  readFailure,
} from './read-answer.ts'

/** GetObject: the whole object, a range or a part of it; conditions as HTTP has them. */
export async function getObject(exchange: Exchange, address: ObjectAddress): Promise<void> {
  const answer = await read(exchange, parseRead(exchange, address))
  switch (answer.kind) {
    case 'found':
      return sendFound(exchange, answer)
    case 'not-modified':
      return exchange.sendEmpty(304, notModifiedHeaders(exchange, answer))
    default:
      throw readFailure(exchange, answer)
  }
}

async function read(exchange: Exchange, request: ObjectRead): Promise<ReadAnswer> {
  const { target } = exchange.context
  const answer = await target.read(request)
  if (request.range === undefined || exchange.headers['if-range'] === undefined) return answer
  if (answer.kind === 'found' && ifRangeHolds(exchange, answer.attributes)) return answer
  if (answer.kind !== 'found' && answer.kind !== 'unsatisfiable') return answer
  // The client holds bytes of another version: it gets all of this one.
  if (answer.kind === 'found') answer.body.close()
  const whole = await target.read(request.withoutRange())
  if (answer.kind === 'found' || whole.kind !== 'found') return whole
  if (!ifRangeHolds(exchange, whole.attributes)) return whole
  whole.body.close()
  return answer
}

function sendFound(
  exchange: Exchange,
  answer: Extract<ReadAnswer, { kind: 'found' }>,
): void | Promise<void> {
  const { response } = exchange
  const { body } = answer
  let whole: Buffer | undefined
  try {
    if (response.destroyed) {
      body.close()
      return
    }
    const headers = foundHeaders(exchange, answer)
    exchange.bytesOut = body.lengthBytes
    const status = foundStatus(answer.range)
    if (body.sendAtOnce?.(response, () => response.writeHead(status, headers)) === true) return
    whole = body.take()
    response.writeHead(status, headers)
  } catch (error) {
    if (whole === undefined) body.close()
    throw error
  }
  if (whole === undefined) return body.sendTo(response)
  response.end(whole)
}
