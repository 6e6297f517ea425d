import { Failure } from '@forebay/base/failure'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { openTestDoor, type TestDoor } from '../v1/testing/test-door.ts'

let door: TestDoor
let admitted = true

beforeAll(async () => {
  door = await openTestDoor({ maySendEvents: () => admitted })
  const ref = (name: string, provider: 'aws' | 'gcp' | 'azure') => {
    return { provider, namespace: { uuid: '', name: '' }, name }
  }
  const backend = (provider: 'aws' | 'gcp' | 'azure', endpoint?: string) => {
    return { backend: { provider, bucket: 'there', endpoint } }
  }
  await door.buckets.create(ref('one', 'aws'), backend('aws'))
  await door.buckets.create(ref('two', 'aws'), backend('aws', 'http://other.example'))
  await door.buckets.create(ref('three', 'gcp'), backend('gcp'))
})
afterAll(() => door.close())
beforeEach(() => {
  admitted = true
  door.target.notices.length = 0
})

const send = (body: unknown, init: RequestInit = {}): Promise<Response> =>
  fetch(`${door.url}/v1/forebay/events?token=t`, {
    method: 'POST',
    body: JSON.stringify(body),
    ...init,
  })

const put = (key: string, bucket = 'there') => ({
  Records: [
    {
      eventName: 'ObjectCreated:Put',
      s3: { bucket: { name: bucket }, object: { key, eTag: 'e' } },
    },
  ],
})

test('an event reaches every bucket that stands for the one it names, of its kind of store alone', async () => {
  const answer = await send(put('k'))
  expect([answer.status, await answer.json()]).toEqual([200, { stale: 1, current: 0, ignored: 0 }])
  expect(door.target.notices.map(({ bucket, key }) => [bucket.ref.name, key])).toEqual([
    ['one', 'k'],
    ['two', 'k'],
  ])
})

test('events of buckets that nobody has here are accepted, so that they do not come again', async () => {
  const answer = await send(put('k', 'unknown'))
  expect([answer.status, await answer.json()]).toEqual([200, { stale: 0, current: 0, ignored: 1 }])
  expect(door.target.notices).toEqual([])
})

test('a key that no object can have is accepted and ignored', async () => {
  const answer = await send(put('k'.repeat(1025)))
  expect(await answer.json()).toEqual({ stale: 0, current: 0, ignored: 1 })
})

test('a change of our own form without a key is about the whole bucket', async () => {
  await send({ changes: [{ bucket: 'three' }] })
  expect(door.target.notices).toMatchObject([{ key: undefined }])
})

test('without a token nothing is read', async () => {
  admitted = false
  const answer = await send(put('k'))
  expect(answer.status).toBe(401)
  expect(door.target.notices).toEqual([])
})

test('a form that is not known is refused for good, and the token is not told', async () => {
  const answer = await send({ hello: 1 })
  expect(answer.status).toBe(400)
  expect(await answer.text()).not.toContain('token=')
})

test('a message that is too long is refused', async () => {
  const answer = await send({ Records: [], padding: 'x'.repeat(1024 ** 2) })
  expect(answer.status).toBe(413)
})

test('a key that stays held puts the message off', async () => {
  const { noticeChange } = door.target
  door.target.noticeChange = async () => {
    throw new Failure('object-busy', 'held')
  }
  const answer = await send(put('k'))
  door.target.noticeChange = noticeChange
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
})

test('the handshakes of the two forms of Azure are answered', async () => {
  const event = { eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent' }
  const grid = await send([{ ...event, data: { validationCode: 'c' } }])
  expect(await grid.json()).toEqual({ validationResponse: 'c' })
  const cloud = await send(undefined, {
    method: 'OPTIONS',
    headers: { 'WebHook-Request-Origin': 'eventgrid.azure.net' },
  })
  expect(cloud.status).toBe(200)
  expect(cloud.headers.get('webhook-allowed-origin')).toBe('eventgrid.azure.net')
  expect((await send(undefined, { method: 'OPTIONS' })).status).toBe(400)
})

test('an admin is told which topics wait, and when events came', async () => {
  const url = 'https://sns.us-east-1.amazonaws.com/?Token=t'
  await send({ Type: 'SubscriptionConfirmation', TopicArn: 'arn', SubscribeURL: url })
  await send(put('k'))
  const told = await (await fetch(`${door.url}/v1/forebay/events`)).json()
  expect(told).toMatchObject({
    topics: [{ topic: 'arn', url }],
    buckets: [{ name: 'one' }, { name: 'two' }, { name: 'three' }],
  })
  const buckets = await (await fetch(`${door.url}/v1/forebay/buckets`)).json()
  expect(JSON.stringify(buckets)).toContain('"lastEvent":"20')
})

test('other methods are refused', async () => {
  expect((await send(undefined, { method: 'DELETE' })).status).toBe(405)
})
