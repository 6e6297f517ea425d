import { readGridEvent } from './azure-events.ts'
import { readAttributes, readObject } from './gcs-events.ts'
import { field, type Json, listAt, textAt } from './json-fields.ts'
import { readBridgeEvent, readRecord } from './s3-events.ts'
import { invalid, type Message, type StoreChange, type Told } from './store-change.ts'

/** Events in one message; a batch of Event Grid has at most 5,000. */
export const EVENTS_MAX = 5000

/** Envelopes around an event: a queue around a topic around a notification. */
const ENVELOPES_MAX = 4

/** Characters of a topic's name that are remembered; those of AWS have at most 320. */
const TOPIC_LENGTH_MAX = 512

/** An administrator is shown it, in a terminal too, and asked to open it. */
const VISITABLE = /^https?:\/\/[\x21-\x7e]{1,2000}$/

/**
 * Reads what the event services of the stores send, by its form: S3 notifications, also in envelopes
 * of SNS, SQS and Lambda; EventBridge; Pub/Sub; Event Grid and CloudEvents; and a plain form of our own.
 *
 * @throws Failure `argument-invalid` for a form that is none of these; then nothing of the message counts
 */
export function readMessage(text: string): Message {
  const reading: Reading = { changes: [], ignored: 0, count: 0 }
  const asked = readValue(reading, parse(text), 1)
  return asked ?? { kind: 'changes', changes: reading.changes, ignored: reading.ignored }
}

interface Reading {
  readonly changes: StoreChange[]
  ignored: number
  count: number
}

type Asked = Exclude<Message, { kind: 'changes' }>

function parse(text: string): Json {
  try {
    return JSON.parse(text)
  } catch {
    return invalid('it is not JSON')
  }
}

function readValue(reading: Reading, value: Json, depth: number): Asked | undefined {
  if (depth > ENVELOPES_MAX) invalid('it has too many envelopes')
  if (Array.isArray(value)) return readBatch(reading, value)
  const records = listAt(value, 'Records')
  if (records !== undefined) return readEach(records, (one) => readEntry(reading, one, depth))
  const messages = listAt(value, 'Messages')
  if (messages !== undefined) {
    return readEach(messages, (one) =>
      readInner(reading, textAt(one, 'Body') ?? textAt(one, 'body'), depth),
    )
  }
  const changes = listAt(value, 'changes')
  if (changes !== undefined) return readEach(changes, (one) => take(reading, readOwn(one)))
  return readSingle(reading, value, depth)
}

function readSingle(reading: Reading, value: Json, depth: number): Asked | undefined {
  if (textAt(value, 'TopicArn') !== undefined) return readTopic(reading, value, depth)
  if (textAt(value, 'detail-type') !== undefined) return take(reading, readBridgeEvent(value))
  const message = field(value, 'message')
  if (typeof message === 'object') return take(reading, readAttributes(message))
  if (textAt(value, 'kind') === 'storage#object') return take(reading, readObject(value))
  if (textAt(value, 'specversion') !== undefined) return readBatch(reading, [value])
  // AWS and others send one to see whether somebody listens.
  if (textAt(value, 'Event') === 's3:TestEvent') return take(reading, [])
  return invalid('its form is not known')
}

/** The envelope of Amazon SNS. */
function readTopic(reading: Reading, value: Json, depth: number): Asked | undefined {
  const topic = textAt(value, 'TopicArn') ?? ''
  switch (textAt(value, 'Type')) {
    case 'Notification':
      return readInner(reading, textAt(value, 'Message'), depth)
    case 'SubscriptionConfirmation': {
      const url = textAt(value, 'SubscribeURL') ?? invalid('it has no SubscribeURL')
      if (!VISITABLE.test(url)) invalid('its SubscribeURL is no web address')
      return { kind: 'confirmation', topic: topic.slice(0, TOPIC_LENGTH_MAX), url }
    }
    case 'UnsubscribeConfirmation':
      return take(reading, [])
    default:
      return invalid('its Type is not known')
  }
}

/** A record of S3, or of a queue or topic that a function of AWS hands on. */
function readEntry(reading: Reading, record: Json, depth: number): Asked | undefined {
  const body = textAt(record, 'body')
  if (body !== undefined) return readInner(reading, body, depth)
  const message = textAt(record, 'Sns', 'Message')
  if (message !== undefined) return readInner(reading, message, depth)
  return take(reading, readRecord(record))
}

/** Events of Event Grid, or CloudEvents. */
function readBatch(reading: Reading, events: readonly Json[]): Asked | undefined {
  return readEach(events, (event) => {
    const type = textAt(event, 'eventType') ?? textAt(event, 'type')
    if (type !== 'Microsoft.EventGrid.SubscriptionValidationEvent') {
      return take(reading, readGridEvent(event))
    }
    const code = textAt(event, 'data', 'validationCode') ?? invalid('it has no validationCode')
    return { kind: 'validation', code }
  })
}

function readInner(reading: Reading, text: string | undefined, depth: number): Asked | undefined {
  return readValue(reading, parse(text ?? invalid('an envelope is empty')), depth + 1)
}

function readEach(
  values: readonly Json[],
  read: (value: Json) => Asked | undefined,
): Asked | undefined {
  for (const value of values) {
    const asked = read(value)
    if (asked !== undefined) return asked
  }
  return undefined
}

/** `{"bucket": "name here", "key": "name"}`; without a key anything in the bucket may have changed. */
function readOwn(change: Json): Told {
  const bucket = textAt(change, 'bucket') ?? invalid('a change names no bucket')
  const key = textAt(change, 'key')
  const keys = key === undefined ? [] : [key]
  return [{ source: 'forebay', bucket, keys, now: { kind: 'unknown' }, changedMs: undefined }]
}

function take(reading: Reading, told: Told): undefined {
  reading.count += 1
  if (reading.count > EVENTS_MAX) invalid(`it has more than ${EVENTS_MAX} events`)
  if (told.length === 0) reading.ignored += 1
  reading.changes.push(...told)
  return undefined
}
