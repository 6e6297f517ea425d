import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EVENTS_MAX, readMessage } from './read-message.ts'
import { decodeForm } from './s3-events.ts'
import type { Message, StoreChange } from './store-change.ts'

const read = (value: unknown): Message => readMessage(JSON.stringify(value))

function changesOf(value: unknown): readonly StoreChange[] {
  const message = read(value)
  if (message.kind !== 'changes') throw new Error(`unexpected ${message.kind}`)
  return message.changes
}

const AT = '2026-11-21T14:17:14.000Z'
const AT_MS = Date.parse(AT)

/** As the documentation of Amazon S3 shows it; MinIO's has `s3:` in front of the name. */
const record = (name = 'ObjectCreated:Put', object: object = {}, bucket = 'b') => ({
  eventVersion: '2.1',
  eventSource: 'aws:s3',
  eventTime: AT,
  eventName: name,
  s3: {
    bucket: { name: bucket, arn: `arn:aws:s3:::${bucket}` },
    object: { key: 'dir/a+b%2Bc', size: 1, eTag: 'e1', versionId: 'v1', ...object },
  },
})

const PUT = {
  source: 's3',
  bucket: 'b',
  keys: ['dir/a b+c', 'dir/a+b%2Bc'],
  now: { kind: 'version', validators: { etag: 'e1', versionId: 'v1' }, copied: false },
  changedMs: AT_MS,
}

describe('S3', () => {
  test('a notification tells key, tag and version', () => {
    expect(changesOf({ Records: [record()] })).toEqual([PUT])
    expect(changesOf({ Records: [record('s3:ObjectCreated:Put')] })).toEqual([PUT])
  })

  test.each([
    ['ObjectCreated:Copy', { kind: 'version', validators: PUT.now.validators, copied: true }],
    ['ObjectRemoved:DeleteMarkerCreated', { kind: 'gone' }],
    ['LifecycleExpiration:Delete', { kind: 'gone' }],
    ['ObjectTagging:Put', { kind: 'metadata' }],
    ['ObjectRestore:Completed', { kind: 'unknown' }],
  ])('%s is understood', (name, now) => {
    expect(changesOf({ Records: [record(name)] })).toMatchObject([{ now }])
  })

  test('kinds that change no object are counted and ignored', () => {
    const message = read({ Records: [record('Replication:OperationFailedReplication')] })
    expect(message).toEqual({ kind: 'changes', changes: [], ignored: 1 })
  })

  test('versitygw writes keys as they are, tags in quotes and no version', () => {
    const object = { key: 'dir/a b+c%41ü', eTag: '"e1"', versionId: null }
    const [change] = changesOf({ Records: [record('s3:ObjectCreated:Put', object)] })
    expect(change?.keys).toContain('dir/a b+c%41ü')
    expect(change?.now).toEqual({
      kind: 'version',
      validators: { etag: 'e1', versionId: undefined },
      copied: false,
    })
    const test = { Bucket: 'b', Event: 's3:TestEvent', Service: 'S3' }
    expect(read(test)).toEqual({ kind: 'changes', changes: [], ignored: 1 })
  })

  test.each([
    [
      'SNS',
      { Type: 'Notification', TopicArn: 'arn', Message: JSON.stringify({ Records: [record()] }) },
    ],
    ['SQS', { Messages: [{ MessageId: '1', Body: JSON.stringify({ Records: [record()] }) }] }],
    [
      'Lambda with SQS',
      { Records: [{ eventSource: 'aws:sqs', body: JSON.stringify({ Records: [record()] }) }] },
    ],
    [
      'Lambda with SNS',
      {
        Records: [
          { EventSource: 'aws:sns', Sns: { Message: JSON.stringify({ Records: [record()] }) } },
        ],
      },
    ],
    [
      'SQS with SNS',
      {
        Messages: [
          {
            Body: JSON.stringify({
              Type: 'Notification',
              TopicArn: 'arn',
              Message: JSON.stringify({ Records: [record()] }),
            }),
          },
        ],
      },
    ],
  ])('%s hands a notification on', (_, envelope) => {
    expect(changesOf(envelope)).toEqual([PUT])
  })

  test('a topic that wants to be confirmed is told apart, and visited by nobody', () => {
    const url = 'https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=t'
    const confirmation = { Type: 'SubscriptionConfirmation', TopicArn: 'arn', SubscribeURL: url }
    expect(read(confirmation)).toEqual({ kind: 'confirmation', topic: 'arn', url })
  })

  test.each([
    'javascript:alert(1)',
    'https://sns.example/\u001b[2J',
    'no address',
    `https://sns.example/${'x'.repeat(2048)}`,
  ])('a confirmation that leads to %j is refused', (url) => {
    const confirmation = { Type: 'SubscriptionConfirmation', TopicArn: 'arn', SubscribeURL: url }
    expect(() => read(confirmation)).toThrow('SubscribeURL')
  })

  test('EventBridge writes keys as they are', () => {
    const event = {
      version: '0',
      'detail-type': 'Object Created',
      source: 'aws.s3',
      time: AT,
      detail: {
        bucket: { name: 'b' },
        object: { key: 'a+b%2Bc', etag: 'e1', 'version-id': 'v1' },
        reason: 'PutObject',
      },
    }
    expect(changesOf(event)).toEqual([{ ...PUT, keys: ['a+b%2Bc'] }])
    expect(changesOf({ ...event, 'detail-type': 'Object Deleted' })).toMatchObject([
      { now: { kind: 'gone' } },
    ])
  })
})

describe('Google Cloud Storage', () => {
  const message = (attributes: object) => ({
    message: {
      data: Buffer.from('{}').toString('base64'),
      messageId: '1',
      publishTime: AT,
      attributes: { bucketId: 'b', objectId: 'a+b %', objectGeneration: '7', ...attributes },
    },
    subscription: 'projects/p/subscriptions/s',
  })
  const version = (generation: string) => ({
    kind: 'version',
    validators: { generation },
    copied: false,
  })

  test.each([
    [{ eventType: 'OBJECT_FINALIZE' }, version('7')],
    [{ eventType: 'OBJECT_DELETE' }, { kind: 'gone' }],
    [{ eventType: 'OBJECT_DELETE', overwrittenByGeneration: '8' }, version('8')],
    [{ eventType: 'OBJECT_ARCHIVE', overwrittenByGeneration: '8' }, version('8')],
    [{ eventType: 'OBJECT_METADATA_UPDATE' }, { kind: 'metadata' }],
  ])('a Pub/Sub message with %j is understood', (attributes, now) => {
    expect(changesOf(message(attributes))).toEqual([
      { source: 'gcs', bucket: 'b', keys: ['a+b %'], now, changedMs: AT_MS },
    ])
  })

  test('an object alone says that something happened to it', () => {
    const object = { kind: 'storage#object', bucket: 'b', name: 'k', generation: '7' }
    expect(changesOf(object)).toMatchObject([
      { source: 'gcs', keys: ['k'], now: { kind: 'unknown' } },
    ])
  })
})

describe('Azure', () => {
  const data = {
    api: 'PutBlob',
    eTag: '0x8D1',
    url: 'https://acc.blob.core.windows.net/con/d/a%20b%2B',
  }
  const subject = '/blobServices/default/containers/con/blobs/d/a b+'
  const event = { subject, eventType: 'Microsoft.Storage.BlobCreated', eventTime: AT, data }
  const change = {
    source: 'azure',
    bucket: 'con',
    keys: ['d/a b+'],
    now: { kind: 'version', validators: { etag: '0x8D1' }, copied: false },
    changedMs: AT_MS,
  }

  test('Event Grid and CloudEvents tell container, blob and tag', () => {
    expect(changesOf([event])).toEqual([change])
    const cloud = { specversion: '1.0', type: event.eventType, time: AT, subject, data }
    expect(changesOf(cloud)).toEqual([change])
    expect(changesOf([cloud])).toEqual([change])
  })

  test('the emulator has the account in front of the container', () => {
    const url = 'http://127.0.0.1:10000/devstoreaccount1/con/d/a%20b%2B'
    expect(changesOf([{ ...event, data: { ...data, url } }])).toEqual([change])
  })

  test('a directory that is gone makes the whole container doubtful', () => {
    const gone = { ...event, eventType: 'Microsoft.Storage.DirectoryDeleted' }
    expect(changesOf([gone])).toMatchObject([{ keys: [], now: { kind: 'unknown' } }])
  })

  test('the code of a new subscription comes back', () => {
    const type = 'Microsoft.EventGrid.SubscriptionValidationEvent'
    expect(read([{ eventType: type, subject: '', data: { validationCode: 'c' } }])).toEqual({
      kind: 'validation',
      code: 'c',
    })
  })

  test.each([
    ['an url of another container', { ...event, data: { ...data, url: 'https://h/other/k' } }],
    ['an url that is none', { ...event, data: { ...data, url: 'file:///con/k' } }],
    ['a bad escape', { ...event, data: { ...data, url: 'https://h/con/%zz' } }],
    ['a subject without a container', { ...event, subject: '/x' }],
  ])('%s is refused', (_, bad) => {
    expect(() => read([bad])).toThrow(expect.objectContaining({ code: 'argument-invalid' }))
  })
})

test('our own form names buckets as they are named here', () => {
  expect(changesOf({ changes: [{ bucket: 'b', key: 'k' }, { bucket: 'b' }] })).toMatchObject([
    { source: 'forebay', bucket: 'b', keys: ['k'], now: { kind: 'unknown' } },
    { source: 'forebay', bucket: 'b', keys: [] },
  ])
})

describe('what cannot be read', () => {
  const nested = (depth: number): unknown => {
    let body: unknown = { Records: [record()] }
    for (let at = 0; at < depth; at++) body = { Messages: [{ Body: JSON.stringify(body) }] }
    return body
  }

  test('as many envelopes as services put around an event are opened, and no more', () => {
    expect(changesOf(nested(3))).toEqual([PUT])
    expect(() => read(nested(4))).toThrow('too many envelopes')
  })

  test('as many events as a batch may have are read, and no more', () => {
    const records = (count: number) => ({ Records: Array.from({ length: count }, () => record()) })
    expect(changesOf(records(EVENTS_MAX))).toHaveLength(EVENTS_MAX)
    expect(() => read(records(EVENTS_MAX + 1))).toThrow('more than 5000 events')
  })

  test.each([
    '',
    'null',
    '1',
    '"text"',
    '{}',
    '{"Records":[null]}',
    '{"Records":[{"eventName":1}]}',
    '{"Records":{"0":1}}',
    '{"__proto__":{"Records":[]}}',
    '{"message":null}',
    '{"message":{"attributes":[]}}',
    '{"TopicArn":"a","Type":"Other"}',
    '{"Type":"Notification","TopicArn":"a","Message":"no json"}',
    '[[]]',
    '[{"eventType":"Microsoft.Storage.BlobCreated"}]',
    `${'['.repeat(100_000)}`,
    `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
  ])('%.60j is refused', (text) => {
    expect(() => readMessage(text)).toThrow(expect.objectContaining({ code: 'argument-invalid' }))
  })
})

test('every key comes back from the way in which AWS writes it', () => {
  const written = (key: string): string => encodeURIComponent(key).replaceAll('%20', '+')
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (key) => {
      expect(decodeForm(written(key))).toBe(key)
      const [change] = changesOf({ Records: [record('ObjectCreated:Put', { key: written(key) })] })
      expect(change?.keys).toContain(key)
    }),
  )
})
