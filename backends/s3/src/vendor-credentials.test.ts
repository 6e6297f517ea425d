import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Backend } from '@forebay/backend-port/backend'
import { systemClock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import { PlayedClock } from '@forebay/base/testing/played-clock'
import { answer, errorAnswer } from '@forebay/testkit/origin/answers'
import {
  type OriginRequest,
  type ScriptedOrigin,
  startOrigin,
} from '@forebay/testkit/origin/scripted-origin'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createS3Backend } from './s3-backend.ts'
import { type Provided, VendorCredentials } from './vendor-credentials.ts'

const { signal } = new AbortController()
const HERE = { etag: '"v1"', 'last-modified': 'Sat, 21 Nov 2026 04:00:00 GMT' }
const FIRST = { accessKeyId: 'FIRST', secretAccessKey: 'one' }
const SECOND = { accessKeyId: 'SECOND', secretAccessKey: 'two' }
const DENIED = new Failure('backend-denied', 'GET s3://b/k was answered 403 InvalidAccessKeyId')

describe('credentials of an account', () => {
  test('are looked for once, however many ask', async () => {
    let looks = 0
    const credentials = new VendorCredentials(async () => {
      looks += 1
      return FIRST
    }, systemClock)
    await Promise.all([credentials.get(), credentials.get(), credentials.get()])
    await credentials.get()
    expect(looks).toBe(1)
  })

  test('are looked for again before they end, and an hour after they were found at the latest', async () => {
    const clock = new PlayedClock()
    let looks = 0
    let expiration: Date | undefined = new Date(clock.now() + 600_000)
    const credentials = new VendorCredentials(async () => {
      looks += 1
      return { ...FIRST, expiration }
    }, clock)
    await credentials.get()
    clock.jump(299_000)
    await credentials.get()
    expect(looks).toBe(1)
    expiration = undefined
    clock.jump(2000)
    await credentials.get()
    expect(looks).toBe(2)
    clock.jump(3_600_000)
    await credentials.get()
    expect(looks).toBe(3)
  })

  test('that a store refuses are looked for again, which helps where there are others', async () => {
    const clock = new PlayedClock()
    let found: Provided = FIRST
    const credentials = new VendorCredentials(async () => found, clock)
    await credentials.get()
    const { generation } = credentials
    clock.jump(2000)
    expect(await credentials.renewAfter(DENIED, generation)).toBe(false)
    found = SECOND
    // A refusal soon after is no news.
    clock.jump(1000)
    expect(await credentials.renewAfter(DENIED, generation)).toBe(false)
    clock.jump(1000)
    expect(await credentials.renewAfter(new Failure('object-not-found', 'k'), generation)).toBe(
      false,
    )
    expect(await credentials.renewAfter(DENIED, generation)).toBe(true)
    expect(await credentials.get()).toEqual(SECOND)
    // Who was refused with those before learns that there are others, without another look.
    expect(await credentials.renewAfter(DENIED, generation)).toBe(true)
  })

  test('stay in use where the chain has none for a moment, unless they have ended', async () => {
    const clock = new PlayedClock()
    let found: Provided | undefined = { ...FIRST, expiration: new Date(clock.now() + 400_000) }
    const credentials = new VendorCredentials(async () => {
      if (found === undefined) throw new Error('the metadata service is away')
      return found
    }, clock)
    await credentials.get()
    found = undefined
    clock.jump(200_000)
    expect(await credentials.get()).toMatchObject(FIRST)
    clock.jump(300_000)
    await expect(credentials.get()).rejects.toThrow('the metadata service is away')
    found = SECOND
    expect(await credentials.get()).toMatchObject(SECOND)
  })
})

describe('a key that was replaced in the vendor’s file', () => {
  let folder: string
  let origin: ScriptedOrigin
  let backend: Backend
  let valid: string

  const keyOf = ({ headers }: OriginRequest): string | undefined =>
    /Credential=([^/]*)\//.exec(headers['authorization'] ?? '')?.[1]

  function write({ accessKeyId, secretAccessKey }: Provided): void {
    const lines = [
      `aws_access_key_id = ${accessKeyId}`,
      `aws_secret_access_key = ${secretAccessKey}`,
    ]
    writeFileSync(join(folder, 'credentials'), ['[default]', ...lines, ''].join('\n'))
  }

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'forebay-credentials-'))
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined)
    vi.stubEnv('AWS_PROFILE', undefined)
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(folder, 'credentials'))
    vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'config'))
    write(FIRST)
    valid = 'FIRST'
    origin = await startOrigin((request) => {
      if (keyOf(request) !== valid) {
        return request.method === 'HEAD'
          ? answer({ status: 403 })
          : errorAnswer(403, 'InvalidAccessKeyId')
      }
      if (request.method === 'HEAD') return answer({ status: 200, headers: HERE })
      const body = request.target.includes('tagging') ? '<Tagging><TagSet/></Tagging>' : 'bytes'
      return answer({ status: 200, headers: HERE, body })
    })
    const clock = new PlayedClock()
    later = (ms) => clock.jump(ms)
    backend = createS3Backend({
      bucket: 'b',
      endpoint: origin.url,
      region: 'us-east-1',
      nodeId: 'node-1',
      clock,
    })
  })
  afterEach(async () => {
    await backend.close()
    await origin.close()
    vi.unstubAllEnvs()
    rmSync(folder, { recursive: true })
  })
  let later: (ms: number) => void

  function rotate(): void {
    write(SECOND)
    valid = 'SECOND'
    later(5000)
  }

  test('is used from the first request on that the store refuses, which is sent again', async () => {
    expect(await backend.head({ key: 'k', signal })).toMatchObject({ kind: 'found' })
    rotate()
    const found = await backend.read({ key: 'k', signal })
    expect(found.kind).toBe('found')
    if (found.kind === 'found') found.body.discard()
    expect(origin.requests.map(keyOf)).toEqual(['FIRST', 'FIRST', 'SECOND'])
    // The vendor's SDK signs with it too.
    expect(await backend.tagging?.get({ key: 'k', signal })).toEqual({ tags: [] })
    expect(origin.requests.map(keyOf).at(-1)).toBe('SECOND')
  })

  test('is found by what goes through the SDK, and by a HEAD that is told no reason', async () => {
    await backend.tagging?.get({ key: 'k', signal })
    rotate()
    expect(await backend.tagging?.get({ key: 'k', signal })).toEqual({ tags: [] })
    write(FIRST)
    valid = 'FIRST'
    later(5000)
    expect(await backend.head({ key: 'k', signal })).toMatchObject({ kind: 'found' })
  })

  test('is of no use where it is refused as well: the refusal is told, after one look', async () => {
    await backend.head({ key: 'k', signal })
    valid = 'NOBODY'
    later(5000)
    await expect(backend.read({ key: 'k', signal })).rejects.toMatchObject({
      code: 'backend-denied',
    })
    expect(origin.requests.map(keyOf)).toEqual(['FIRST', 'FIRST'])
  })
})
