import type { Backend } from '@forebay/backend-port/backend'
import { systemClock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import { answer, errorAnswer } from '@forebay/testkit/origin/answers'
import {
  type OriginRequest,
  type OriginScript,
  type ScriptedOrigin,
  startOrigin,
} from '@forebay/testkit/origin/scripted-origin'
import { afterEach, describe, expect, test } from 'vitest'
import { askAgain, BUCKETS_MAX, REGIONS_MAX, Regions } from './regions.ts'
import { createS3Backend } from './s3-backend.ts'

const { signal } = new AbortController()
const HERE = { etag: '"v1"', 'last-modified': 'Sat, 21 Nov 2026 04:00:00 GMT' }

let origin: ScriptedOrigin
let backend: Backend

const options = () => ({
  endpoint: origin.url,
  region: 'us-east-1',
  nodeId: 'node-1',
  clock: systemClock,
  credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
})

async function open(script: OriginScript): Promise<void> {
  origin = await startOrigin(script)
  backend = createS3Backend({ bucket: 'b', ...options() })
}

afterEach(async () => {
  await backend.close()
  await origin.close()
})

const regionOf = ({ headers }: OriginRequest): string | undefined =>
  /Credential=[^/]*\/\d+\/([^/]+)\//.exec(headers['authorization'] ?? '')?.[1]

/** A store whose bucket is in eu-west-1 and that says so in its own way. */
const elsewhere =
  (refusal: (request: OriginRequest) => ReturnType<OriginScript>): OriginScript =>
  (request) =>
    regionOf(request) === 'eu-west-1'
      ? answer({ status: 200, headers: HERE, body: request.method === 'HEAD' ? '' : 'bytes' })
      : refusal(request)

const redirect = (status: number, region: string) =>
  answer({ status, headers: { 'x-amz-bucket-region': region } })

describe('a bucket in another region', () => {
  test.each([301, 307, 400])(
    'is asked again there, once, after %i; from then on at once',
    async (status) => {
      await open(elsewhere(() => redirect(status, 'eu-west-1')))
      const found = await backend.read({ key: 'k', signal })
      expect(found.kind).toBe('found')
      if (found.kind === 'found') found.body.discard()
      expect(await backend.head({ key: 'k', signal })).toMatchObject({ kind: 'found' })
      expect(origin.requests.map(regionOf)).toEqual(['us-east-1', 'eu-west-1', 'eu-west-1'])
    },
  )

  test('is found by what goes through the SDK too', async () => {
    await open((request) =>
      regionOf(request) === 'eu-west-1'
        ? answer({ status: 200, body: '<Tagging><TagSet/></Tagging>' })
        : redirect(301, 'eu-west-1'),
    )
    expect(await backend.tagging?.get({ key: 'k', signal })).toEqual({ tags: [] })
    expect(origin.requests.map(regionOf)).toEqual(['us-east-1', 'eu-west-1'])
  })

  test('that is said to be elsewhere again and again is asked no third time', async () => {
    await open((request) =>
      redirect(301, regionOf(request) === 'us-east-1' ? 'eu-west-1' : 'us-east-1'),
    )
    await expect(backend.head({ key: 'k', signal })).rejects.toMatchObject({
      code: 'backend-refused',
    })
    expect(origin.requests).toHaveLength(2)
  })

  test.each(['evil.example/x', '', 'EU', '../..'])(
    'whose name is %j is none: a host is not made of it',
    async (region) => {
      await open(() => redirect(301, region))
      await expect(backend.head({ key: 'k', signal })).rejects.toMatchObject({
        code: 'backend-refused',
      })
      expect(origin.requests).toHaveLength(1)
    },
  )

  test('a refusal that only mentions the region changes nothing', async () => {
    await open(() => answer({ status: 403, headers: { 'x-amz-bucket-region': 'eu-west-1' } }))
    await expect(backend.head({ key: 'k', signal })).rejects.toMatchObject({
      code: 'backend-denied',
    })
    expect(origin.requests).toHaveLength(1)
  })

  test('Amazon is asked where a bucket is before a body that can be had once; others are not', async () => {
    await open(() => errorAnswer(404, 'NoSuchKey'))
    const own = new Regions(options())
    const amazon = new Regions({ ...options(), endpoint: undefined })
    expect([own.isUnsure('b'), amazon.isUnsure('b')]).toEqual([false, true])
    amazon.confirm('b')
    expect(amazon.isUnsure('b')).toBe(false)
    const facts = { bucketRegion: 'eu-west-1' }
    expect(amazon.learn('b', new Failure('backend-refused', 'moved', { facts }))).toBe(true)
    expect(amazon.placeOf('b').connection.endpoint.host).toBe('s3.eu-west-1.amazonaws.com')
    expect(amazon.placeOf('c').connection).toBe(amazon.home)
    await Promise.all([own.close(), amazon.close()])
  })
})

test('a body that can be had once goes to Amazon also where nobody may ask for the bucket', async () => {
  await open(({ method }) => answer({ status: method === 'HEAD' ? 403 : 200, headers: HERE }))
  const regions = new Regions({ ...options(), endpoint: undefined })
  const following = askAgain({ regions, bucket: 'b' }, backend)
  const body = {
    lengthBytes: 1,
    repeatable: false,
    async *chunks() {
      yield Buffer.from('x')
    },
  }
  const write = { headers: {}, metadata: {}, conditions: {}, checksums: [], signal }
  const written = await following.mutations?.write({ ...write, key: 'k' }, body)
  expect(written).toMatchObject({ etag: 'v1' })
  expect(origin.requests.map(({ method }) => method)).toEqual(['HEAD', 'PUT'])
  await regions.close()
})

describe('what is remembered has a bound', () => {
  const moved = (bucketRegion: string) =>
    new Failure('backend-refused', 'moved', { facts: { bucketRegion } })

  test('regions: a store that names ever new ones is not followed', async () => {
    await open(() => errorAnswer(404, 'NoSuchKey'))
    const regions = new Regions(options())
    const followed = Array.from({ length: REGIONS_MAX + 5 }, (_, at) =>
      regions.learn('b', moved(`region-${at}`)),
    )
    expect(followed.filter((again) => again)).toHaveLength(REGIONS_MAX - 1)
    expect(regions.learn('c', moved('region-0'))).toBe(true)
    await regions.close()
  })

  test('buckets: the oldest is asked for again', async () => {
    await open(() => errorAnswer(404, 'NoSuchKey'))
    const regions = new Regions({ ...options(), endpoint: undefined })
    for (let at = 0; at <= BUCKETS_MAX; at++) {
      regions.confirm(`b${at}`)
      regions.learn(`b${at}`, moved('eu-west-1'))
    }
    expect([regions.isUnsure('b0'), regions.isUnsure('b1')]).toEqual([true, false])
    expect(regions.placeOf('b0').connection).toBe(regions.home)
    expect(regions.placeOf('b1').connection).not.toBe(regions.home)
    await regions.close()
  })
})

describe('what the store says besides', () => {
  test('is handed on: encryption, restoration, tags, the version', async () => {
    const said = {
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-restore': 'ongoing-request="true"',
    }
    const more = { ...said, 'x-amz-tagging-count': '2', 'x-amz-version-id': 'v7' }
    await open(() => answer({ status: 200, headers: { ...HERE, ...more } }))
    const head = await backend.head({ key: 'k', versionId: 'v 7', signal })
    expect(head).toMatchObject({
      kind: 'found',
      attributes: { originHeaders: said, tagCount: 2, validators: { versionId: 'v7' } },
    })
    expect(origin.requests[0]?.target).toBe('/b/k?versionId=v%207')
  })

  test.each([
    [403, 'InvalidObjectState', 'object-archived'],
    [400, 'KMS.DisabledException', 'backend-refused'],
    [400, 'KMS.ThrottlingException', 'backend-throttled'],
    [403, 'AccessDenied', 'backend-denied'],
  ])('%i %s is %s, and the code of the store is kept', async (status, code, wanted) => {
    await open(() => errorAnswer(status, code))
    await expect(backend.read({ key: 'k', signal })).rejects.toMatchObject({
      code: wanted,
      facts: { backendStatus: status, backendCode: code },
    })
  })

  test('a delete marker is a 405 of HEAD: the method is not allowed on it', async () => {
    await open(() => answer({ status: 405, headers: { 'x-amz-delete-marker': 'true' } }))
    await expect(backend.head({ key: 'k', versionId: 'v1', signal })).rejects.toMatchObject({
      code: 'method-not-allowed',
    })
  })

  test('tags go with a PUT as one header', async () => {
    await open(() => answer({ status: 200, headers: HERE }))
    const body = {
      lengthBytes: 1,
      repeatable: true,
      async *chunks() {
        yield Buffer.from('x')
      },
    }
    const write = { headers: {}, metadata: {}, conditions: {}, checksums: [], signal }
    const tags = [
      { key: 'a b', value: 'ü' },
      { key: 'c', value: '' },
    ]
    await backend.mutations?.write({ ...write, key: 'k', tags }, body)
    expect(origin.requests[0]?.headers['x-amz-tagging']).toBe('a%20b=%C3%BC&c=')
  })
})
