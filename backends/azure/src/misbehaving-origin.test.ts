import type { Backend, MutationOperations, UploadBody } from '@forebay/backend-port/backend'
import { isUndecided } from '@forebay/backend-port/undecided'
import { withProgressTimeout } from '@forebay/backend-port/with-progress-timeout'
import { systemClock } from '@forebay/base/clock'
import { answer, cutAnswer, inTurn } from '@forebay/testkit/origin/answers'
import {
  type OriginScript,
  type OriginStep,
  type ScriptedOrigin,
  startOrigin,
} from '@forebay/testkit/origin/scripted-origin'
import { afterEach, describe, expect, test } from 'vitest'
import { createAzureBackend } from './azure-backend.ts'
import type { AzureOptions } from './azure-options.ts'

const BYTES = Buffer.from('0123456789'.repeat(100))
const HEADERS = { etag: '"0x8D1"', 'last-modified': 'Sat, 21 Nov 2026 04:00:00 GMT' }
const PIN = { kind: 'etag', etag: '0x8D1' } as const
const RANGE = { offset: 100, lengthBytes: 10 }
const KEY = Buffer.from('the key').toString('base64')
const { signal } = new AbortController()

let origin: ScriptedOrigin
let backend: Backend
let mutations: MutationOperations

async function open(script: OriginScript, options: Partial<AzureOptions> = {}): Promise<void> {
  origin = await startOrigin(script)
  backend = createAzureBackend({
    bucket: 'box',
    account: 'acc',
    endpoint: origin.url,
    nodeId: 'node-1',
    clock: systemClock,
    credentials: { kind: 'shared-key', key: KEY },
    ...options,
  })
  if (backend.mutations === undefined) throw new Error('no mutations')
  mutations = backend.mutations
}

afterEach(async () => {
  await backend.close()
  await origin.close()
})

function refusal(status: number, code: string): readonly OriginStep[] {
  const body = `\ufeff<?xml version="1.0"?><Error><Code>${code}</Code><Message>said\nRequestId:1</Message></Error>`
  return answer({ status, headers: { 'x-ms-error-code': code }, body })
}

const WRITE = { key: 'k', headers: {}, metadata: {}, conditions: {}, checksums: [], signal }
const COPY = { ...WRITE, sourceBucket: 'box', sourceKey: 's', sourceConditions: {} }

function bodyOf(bytes: Buffer): UploadBody {
  return {
    lengthBytes: bytes.length,
    repeatable: true,
    async *chunks() {
      yield bytes
    },
  }
}

describe('a service that does not do what it was asked', () => {
  test('ignores If-Match: another version is a change, not an answer', async () => {
    await open(() => answer({ status: 200, headers: { ...HEADERS, etag: '"0x8D2"' }, body: BYTES }))
    expect(await backend.read({ key: 'k', pin: PIN, signal })).toEqual({ kind: 'changed' })
    expect(origin.requests[0]?.headers['if-match']).toBe('"0x8D1"')
  })

  test('answers 200 to a range: the whole object is reported as such', async () => {
    await open(() => answer({ status: 200, headers: HEADERS, body: BYTES }))
    const found = await backend.read({ key: 'k', range: RANGE, pin: PIN, signal })
    expect(found).toMatchObject({ kind: 'found', range: { offset: 0, lengthBytes: 1000 } })
  })

  test.each(['bytes 99-108/1000', 'bytes 100-110/1000', 'bytes 100-109/109', 'bytes */1000', ''])(
    'answers 206 with Content-Range "%s": corrupt',
    async (range) => {
      const headers = { ...HEADERS, 'content-range': range }
      await open(() => answer({ status: 206, headers, body: BYTES.subarray(0, 10) }))
      const read = backend.read({ key: 'k', range: RANGE, signal })
      await expect(read).rejects.toMatchObject({ code: 'backend-corrupt' })
    },
  )

  test('cuts a body: the pump fails', async () => {
    await open(() => cutAnswer({ status: 200, headers: HEADERS, body: BYTES }, 500))
    const found = await backend.read({ key: 'k', signal })
    if (found.kind !== 'found') throw new Error(found.kind)
    const pump = found.body.pump(() => undefined)
    await expect(pump).rejects.toMatchObject({ code: 'backend-unreachable' })
  })

  test('has other bytes than were sent: the write is corrupt, and may stand', async () => {
    await open(() =>
      answer({ status: 201, headers: { ...HEADERS, 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' } }),
    )
    const write = mutations.write({ ...WRITE, contentMd5Hex: '1'.repeat(32) }, bodyOf(BYTES))
    const error: unknown = await write.catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'backend-corrupt' })
    expect(isUndecided(error)).toBe(true)
  })

  test.each(['<html>', '', '<?xml version="1.0"?><EnumerationResults><Blobs><Blob>'])(
    'answers "%s" to a listing: corrupt',
    async (body) => {
      await open(() =>
        answer({ status: 200, headers: { 'content-type': 'application/xml' }, body }),
      )
      const list = backend.list({ prefix: '', pageMax: 1, signal })
      await expect(list).rejects.toMatchObject({ code: 'backend-corrupt' })
    },
  )
})

describe('a service in trouble', () => {
  test.each([
    [503, 'ServerBusy', 'backend-throttled'],
    [500, 'OperationTimedOut', 'backend-timeout'],
    [500, 'InternalError', 'backend-unreachable'],
    [403, 'AuthenticationFailed', 'backend-denied'],
    [403, 'AuthorizationFailure', 'backend-denied'],
    [409, 'PublicAccessNotPermitted', 'backend-denied'],
    [409, 'BlobArchived', 'object-archived'],
    [409, 'BlobBeingRehydrated', 'object-archived'],
    [404, 'ContainerNotFound', 'bucket-not-found'],
    [412, 'LeaseIdMissing', 'conditional-conflict'],
    [400, 'InvalidHeaderValue', 'backend-refused'],
    [508, 'BackendIsSelf', 'backend-is-self'],
  ])('says %i %s: that is %s, by every operation', async (status, code, wanted) => {
    await open(() => refusal(status, code))
    const failure = { code: wanted, facts: { backendCode: code } }
    await expect(backend.read({ key: 'k', signal })).rejects.toMatchObject(failure)
    await expect(mutations.write(WRITE, bodyOf(BYTES))).rejects.toMatchObject(failure)
    const list = backend.list({ prefix: '', pageMax: 1, signal })
    await expect(list).rejects.toMatchObject(failure)
    expect(origin.requests.length).toBe(3)
  })

  test('says why in the first line of its message, and never with our key', async () => {
    await open(() => refusal(400, 'InvalidInput'))
    const error: unknown = await mutations.write(WRITE, bodyOf(BYTES)).catch((e: unknown) => e)
    expect(String(error)).toBe('Failure: PUT az://box/k was answered 400 InvalidInput: said')
  })

  test.each([
    [409, 'BlobAlreadyExists', 'precondition-failed'],
    [412, 'ConditionNotMet', 'precondition-failed'],
    [400, 'Md5Mismatch', 'digest-mismatch'],
    [413, 'RequestBodyTooLarge', 'entity-too-large'],
    [409, 'BlobImmutableDueToPolicy', 'backend-denied'],
    [409, 'SnapshotsPresent', 'backend-refused'],
  ])('refuses a write with %i %s: that is %s, and certain', async (status, code, wanted) => {
    await open(() => refusal(status, code))
    const error: unknown = await mutations.write(WRITE, bodyOf(BYTES)).catch((e: unknown) => e)
    expect(error).toMatchObject({ code: wanted })
    expect(isUndecided(error)).toBe(false)
  })

  test('hangs in a listing: a deadline ends it and its connection', async () => {
    await open(() => [{ kind: 'hang' }])
    const timed = withProgressTimeout(backend, { answerMs: 50, chunkMs: 50, clock: systemClock })
    const list = timed.list({ prefix: '', pageMax: 1, signal })
    await expect(list).rejects.toMatchObject({ code: 'backend-timeout' })
    await expect.poll(() => origin.connectionCount).toBe(0)
  })

  test('applies a write and drops the answer: nobody knows what it did', async () => {
    await open(() => [{ kind: 'reset' }])
    const error: unknown = await mutations.write(WRITE, bodyOf(BYTES)).catch((e: unknown) => e)
    expect(error).toMatchObject({ code: 'backend-unreachable' })
    expect(isUndecided(error)).toBe(true)
  })

  test('fails at a block: nothing was applied; at the list of blocks: nobody knows', async () => {
    const inBlocks = { singlePutBytesMax: 0, blockBytes: 600 }
    const ok = () => answer({ status: 201 })
    await open(
      inTurn(ok, () => [{ kind: 'reset' }]),
      inBlocks,
    )
    const atBlock: unknown = await mutations.write(WRITE, bodyOf(BYTES)).catch((e: unknown) => e)
    expect(atBlock).toMatchObject({ code: 'backend-unreachable' })
    expect(isUndecided(atBlock)).toBe(false)
    await origin.close()
    await open(() => refusal(403, 'AuthorizationFailure'), inBlocks)
    const denied: unknown = await mutations.write(WRITE, bodyOf(BYTES)).catch((e: unknown) => e)
    // A refusal is certain anyway; marked as never sent, it would be repeated for nothing.
    expect(denied).toMatchObject({ code: 'backend-denied', facts: { backendStatus: 403 } })
    expect(denied).not.toHaveProperty('facts.notSent')
    await origin.close()
    await open(
      inTurn(ok, ok, () => [{ kind: 'reset' }]),
      inBlocks,
    )
    const atList: unknown = await mutations.write(WRITE, bodyOf(BYTES)).catch((e: unknown) => e)
    expect(atList).toMatchObject({ code: 'backend-unreachable' })
    expect(isUndecided(atList)).toBe(true)
  })
})

describe('a request', () => {
  test('carries the node, asks for bytes as they are, and is of one version of the API', async () => {
    await open(() => refusal(404, 'BlobNotFound'))
    await backend.read({ key: 'k', signal })
    await backend.list({ prefix: '', pageMax: 1, signal }).catch(() => undefined)
    expect(origin.requests.length).toBe(2)
    for (const { headers, target } of origin.requests) {
      expect(headers['forebay-via']).toBe('node-1')
      expect(headers['accept-encoding']).toBe('identity')
      expect(headers['x-ms-version']).toBe('2021-12-02')
      expect(target).toMatch(/^\/acc\/box/)
    }
  })

  test.each(['a/../b', '.', '..', 'a/.', 'a\\b'])('for the key %s is not made', async (key) => {
    await open(() => refusal(404, 'BlobNotFound'))
    await expect(backend.read({ key, signal })).rejects.toMatchObject({ code: 'backend-refused' })
    const deleted = mutations.delete({ key, conditions: {}, signal })
    await expect(deleted).rejects.toMatchObject({ code: 'backend-refused' })
    expect(origin.requests.length).toBe(0)
  })

  test('in blocks states conditions and description with the list, and only there', async () => {
    await open(() => answer({ status: 201, headers: HEADERS }), {
      singlePutBytesMax: 0,
      blockBytes: 600,
    })
    const described = { headers: { contentType: 'text/csv' }, metadata: { 'two-words': 'x' } }
    const conditions = { ifNoneMatch: ['*'] }
    const md5 = { contentMd5Hex: '0'.repeat(32) }
    const options = { ...WRITE, ...described, conditions, ...md5 }
    expect(await mutations.write(options, bodyOf(BYTES))).toMatchObject({ etag: '0x8D1' })
    const [first, second, list] = origin.requests
    expect(first?.body.length).toBe(600)
    expect(second?.body.length).toBe(400)
    expect(second?.headers['if-none-match']).toBeUndefined()
    expect(list?.target).toBe('/acc/box/k?comp=blocklist')
    expect(list?.headers).toMatchObject({
      'if-none-match': '*',
      'x-ms-blob-content-type': 'text/csv',
      'x-ms-meta-two_x002d_words': 'x',
      'x-ms-blob-content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==',
    })
    const idOf = (target = '') => decodeURIComponent(target.replace(/^.*blockid=/, ''))
    const ids = [idOf(first?.target), idOf(second?.target)]
    expect(list?.body.toString()).toContain(
      ids.map((id) => `<Uncommitted>${id}</Uncommitted>`).join(''),
    )
    for (const id of ids) expect(Buffer.from(id, 'base64').length).toBe(48)
  })

  test.each([
    [{ metadata: { name: 'Jürgen' } }, 'backend-refused'],
    [{ storageClass: 'DEEP_ARCHIVE' }, 'storage-class-invalid'],
    [{ conditions: { ifMatch: ['a', 'b'] } }, 'not-implemented'],
  ] as const)('with %j is refused here, before a byte goes out', async (more, code) => {
    await open(() => answer({ status: 201, headers: HEADERS }))
    const write = async () => mutations.write({ ...WRITE, ...more }, bodyOf(BYTES))
    await expect(write()).rejects.toMatchObject({ code })
    expect(origin.requests.length).toBe(0)
  })
})

function headersOf(index: number): Readonly<Record<string, string>> {
  return origin.requests[index]?.headers ?? {}
}

describe('a copy', () => {
  const head = (etag: string) =>
    answer({ status: 200, headers: { ...HEADERS, etag, 'x-ms-meta-a': '1', 'content-length': 0 } })
  const copied = () => answer({ status: 202, headers: { ...HEADERS, etag: '"0x8D9"' } })

  test('is of exactly the version that was looked at, by a signature for it alone', async () => {
    await open(inTurn(() => head('"0x8D1"'), copied))
    const result = await mutations.copy({ ...COPY, replaceMetadata: false })
    expect(result).toMatchObject({ etag: '0x8D9', lastModifiedMs: Date.UTC(2026, 10, 21, 4) })
    const headers = headersOf(1)
    expect(headers).toMatchObject({
      'x-ms-requires-sync': 'true',
      'x-ms-source-if-match': '"0x8D1"',
    })
    const source = new URL(headers['x-ms-copy-source'] ?? '')
    expect(source.pathname).toBe('/acc/box/s')
    expect(source.searchParams.get('sp')).toBe('r')
    expect(source.searchParams.get('sr')).toBe('b')
  })

  test('by an identity sends its token for the source, too', async () => {
    const source = { getToken: async () => ({ token: 't', expiresOnTimestamp: 1e15 }) }
    await open(
      inTurn(() => head('"0x8D1"'), copied),
      { credentials: { kind: 'bearer', source } },
    )
    await mutations.copy({ ...COPY, replaceMetadata: false })
    const headers = headersOf(1)
    expect(headers['x-ms-copy-source-authorization']).toBe('Bearer t')
    expect(headers['x-ms-copy-source']).toBe(`${origin.url}/acc/box/s`)
  })

  test('whose source changes meanwhile is of the new version', async () => {
    await open(
      inTurn(
        () => head('"0x8D1"'),
        () => refusal(412, 'SourceConditionNotMet'),
        () => head('"0x8D2"'),
        copied,
      ),
    )
    await mutations.copy({ ...COPY, replaceMetadata: false })
    expect(origin.requests[3]?.headers['x-ms-source-if-match']).toBe('"0x8D2"')
  })

  test('whose destination has another version is refused, and not tried again', async () => {
    await open(
      inTurn(
        () => head('"0x8D1"'),
        () => refusal(412, 'TargetConditionNotMet'),
      ),
    )
    const conditions = { ifMatch: ['0x8D7'] }
    const copy = mutations.copy({ ...COPY, conditions, replaceMetadata: false })
    await expect(copy).rejects.toMatchObject({ code: 'precondition-failed' })
    expect(origin.requests.length).toBe(2)
  })

  test('that is described anew, or large, is made of blocks that the service copies', async () => {
    const sizeBytes = 300 * 1024 ** 2
    const large = () =>
      answer({
        status: 200,
        headers: { ...HEADERS, 'x-ms-meta-a': '1', 'content-length': sizeBytes },
      })
    await open(inTurn(large, () => answer({ status: 201, headers: { etag: '"0x8D9"' } })))
    await mutations.copy({ ...COPY, replaceMetadata: false })
    const [, first, second, list] = origin.requests
    expect(first?.headers['x-ms-source-range']).toBe(`bytes=0-${256 * 1024 ** 2 - 1}`)
    expect(second?.headers['x-ms-source-range']).toBe(`bytes=${256 * 1024 ** 2}-${sizeBytes - 1}`)
    expect(second?.headers['x-ms-source-if-match']).toBe('"0x8D1"')
    expect(list?.target).toBe('/acc/box/k?comp=blocklist')
    expect(list?.headers['x-ms-meta-a']).toBe('1')
  })

  test('on conditions that the source does not meet asks for nothing', async () => {
    await open(() => head('"0x8D1"'))
    for (const sourceConditions of [{ ifMatch: ['0x8D2'] }, { ifNoneMatch: ['a', '0x8D1'] }]) {
      const copy = mutations.copy({ ...COPY, sourceConditions, replaceMetadata: false })
      await expect(copy).rejects.toMatchObject({ code: 'precondition-failed' })
    }
    expect(origin.requests.every(({ method }) => method === 'HEAD')).toBe(true)
  })
})
