import { Failure, isFailure } from '@forebay/base/failure'
import type { Exchange } from '../v1/exchange.ts'
import { readText } from '../v1/request-body.ts'
import type { EventDesk } from './event-desk.ts'
import { readMessage } from './read-message.ts'
import type { Message } from './store-change.ts'

/** Path of the door for events. */
export const EVENTS_PATH = '/v1/forebay/events'

/**
 * `/v1/forebay/events`: `POST` takes a message of a store's event service, `OPTIONS` is the handshake
 * of CloudEvents, `GET` tells an administrator what came.
 *
 * A message is answered with 2xx only when all of it was noted.
 */
export async function answerEvents(exchange: Exchange): Promise<void> {
  const { context, method, raw } = exchange
  const { events } = context
  if (events === undefined) throw new Failure('not-implemented', 'this node takes no events')
  if (method === 'GET') return tellEvents(exchange, events)
  if (method !== 'POST' && method !== 'OPTIONS') {
    throw new Failure('method-not-allowed', 'this path takes GET, POST, OPTIONS', {
      facts: { allow: 'GET, POST, OPTIONS' },
    })
  }
  if (!context.maySendEvents(raw)) {
    events.count('refused')
    throw new Failure('unauthenticated', 'events need one of the tokens of this node', {
      hint: 'set events.tokens, and send one as "Authorization: Bearer" or as the query token',
    })
  }
  if (method === 'OPTIONS') answerHandshake(exchange)
  else await takeMessage(exchange, events)
}

async function takeMessage(exchange: Exchange, events: EventDesk): Promise<void> {
  const message = await readWhole(exchange, events)
  switch (message.kind) {
    case 'validation':
      events.count('taken')
      return exchange.sendJson({ validationResponse: message.code })
    case 'confirmation':
      events.count('taken')
      events.await(message)
      return exchange.sendJson({ pending: message.topic })
    case 'changes':
      return exchange.sendJson(await take(events, message, exchange.signal))
    default:
      message satisfies never
  }
}

async function readWhole(exchange: Exchange, events: EventDesk): Promise<Message> {
  try {
    return readMessage(await readText(exchange.raw, exchange.signal))
  } catch (error) {
    events.count('malformed')
    throw error
  }
}

async function take(
  events: EventDesk,
  message: Extract<Message, { kind: 'changes' }>,
  signal: AbortSignal,
): Promise<unknown> {
  try {
    const counts = await events.take(message, signal)
    events.count('taken')
    return counts
  } catch (error) {
    if (isFailure(error, 'unavailable')) events.count('put-off')
    throw error
  }
}

/** CloudEvents web hook specification 1.0, section 4: who may send, and how much. */
function answerHandshake(exchange: Exchange): void {
  const origin = exchange.header('webhook-request-origin')
  if (origin === undefined) {
    throw new Failure('bad-request', 'the header WebHook-Request-Origin is missing')
  }
  exchange.sendEmpty(200, {
    Allow: 'POST',
    'WebHook-Allowed-Origin': origin,
    'WebHook-Allowed-Rate': '*',
  })
}

function tellEvents(exchange: Exchange, events: EventDesk): void {
  exchange.authorise('admin')
  exchange.sendJson({
    topics: events.topics.map(({ topic, url, receivedMs }) => ({
      topic,
      url,
      received: new Date(receivedMs).toISOString(),
    })),
    buckets: exchange.context.buckets.list().flatMap(({ id, ref }) => {
      const lastMs = events.lastEventMs(id)
      if (lastMs === undefined) return []
      return [{ name: ref.name, provider: ref.provider, lastEvent: new Date(lastMs).toISOString() }]
    }),
  })
}
