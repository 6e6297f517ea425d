import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { S3Node, USERS } from './s3-node.ts'

let node: S3Node

const clientOf = (id: string, at: S3Node) => {
  const user = USERS.find((each) => each.id === id)
  return new S3Client({
    endpoint: at.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: user?.accessKey ?? 'AK', secretAccessKey: user?.secretKey ?? 'SK' },
  })
}

/** What an SDK call comes to: `ok`, or status and code. */
const outcome = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'ok',
    (error) => `${error.$metadata?.httpStatusCode} ${error.name}`,
  )

describe('the S3 door with users, through the AWS SDK', () => {
  let s3: S3Client
  const Bucket = 'team-a'

  beforeAll(async () => {
    node = await S3Node.start('users')
    s3 = clientOf('root', node)
    await s3.send(new CreateBucketCommand({ Bucket }))
  })
  afterAll(() => node.close())

  const put = (Key: string, Body: string | Buffer, more = {}) =>
    s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))
  const get = async (Key: string, more = {}) => {
    const answer = await s3.send(new GetObjectCommand({ Bucket, Key, ...more }))
    return { ...answer, text: await answer.Body?.transformToString() }
  }

  test.each([
    'plain',
    'a//b',
    'p',
    'p/q',
    '..',
    '../../x',
    'a+b %&?#=',
    'ü😀',
    'x/',
    '.',
    'k'.repeat(1024),
  ])('an object with the key %j is stored, read, headed, listed and deleted', async (Key) => {
    const stored = await put(Key, `body of ${Key}`)
    const read = await get(Key)
    expect(read.text).toBe(`body of ${Key}`)
    expect(read.ETag).toBe(stored.ETag)
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key }))
    expect(head.ContentLength).toBe(Buffer.byteLength(`body of ${Key}`))
    const listed = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: Key }))
    expect(listed.Contents?.map((each) => each.Key)).toContain(Key)
    await s3.send(new DeleteObjectCommand({ Bucket, Key }))
    expect(await outcome(get(Key))).toBe('404 NoSuchKey')
  })

  test('headers and metadata come back', async () => {
    await put('meta', 'x', {
      ContentType: 'text/plain',
      CacheControl: 'no-store',
      ContentDisposition: 'attachment',
      Metadata: { __proto__x: 'a', constructor: 'b' },
    })
    expect(await get('meta')).toMatchObject({
      ContentType: 'text/plain',
      CacheControl: 'no-store',
      ContentDisposition: 'attachment',
      Metadata: { __proto__x: 'a', constructor: 'b' },
    })
    const overridden = await get('meta', { ResponseContentType: 'image/png' })
    expect(overridden.ContentType).toBe('image/png')
  })

  test('ranges, suffixes and conditions', async () => {
    const { ETag } = await put('range', '0123456789')
    expect(await get('range', { Range: 'bytes=2-4' })).toMatchObject({
      text: '234',
      ContentRange: 'bytes 2-4/10',
    })
    expect((await get('range', { Range: 'bytes=-3' })).text).toBe('789')
    expect(await outcome(get('range', { Range: 'bytes=10-' }))).toBe('416 InvalidRange')
    expect((await get('range', { IfMatch: ETag })).text).toBe('0123456789')
    expect(await outcome(get('range', { IfMatch: '"x"' }))).toBe('412 PreconditionFailed')
    expect(await outcome(get('range', { IfNoneMatch: ETag }))).toMatch(/^304/)
    expect(await outcome(put('range', 'x', { IfNoneMatch: '*' }))).toBe('412 PreconditionFailed')
    expect(await outcome(put('range', 'y', { IfMatch: ETag }))).toBe('ok')
    expect(await outcome(put('range', 'z', { IfMatch: ETag }))).toBe('412 PreconditionFailed')
  })

  test('a stream with a trailing checksum is stored and its checksum returned', async () => {
    const body = Buffer.alloc(300_000, 'abc')
    const Body = Readable.from([body.subarray(0, 100_000), body.subarray(100_000)])
    await s3.send(
      new PutObjectCommand({
        Bucket,
        Key: 'stream',
        Body,
        ContentLength: body.length,
        ChecksumAlgorithm: 'SHA256',
      }),
    )
    const answer = await s3.send(
      new GetObjectCommand({ Bucket, Key: 'stream', ChecksumMode: 'ENABLED' }),
    )
    const sha256 = createHash('sha256').update(body).digest('base64')
    expect(answer.ChecksumSHA256).toBe(sha256)
    expect(Buffer.from((await answer.Body?.transformToByteArray()) ?? [])).toEqual(body)
    const part = await get('stream', { Range: 'bytes=0-2' })
    expect(part.ChecksumSHA256).toBeUndefined()
    expect(part.text).toBe('abc')
  })

  test('a copy takes the source along, or replaces what it is told to', async () => {
    await put('source', 'copied', { Metadata: { a: '1' } })
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/source` }))
    expect(await get('copy')).toMatchObject({ text: 'copied', Metadata: { a: '1' } })
    await s3.send(
      new CopyObjectCommand({
        Bucket,
        Key: 'copy',
        CopySource: `${Bucket}/source`,
        MetadataDirective: 'REPLACE',
        Metadata: { b: '2' },
      }),
    )
    expect((await get('copy')).Metadata).toEqual({ b: '2' })
    const self = new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/copy` })
    expect(await outcome(s3.send(self))).toBe('400 InvalidRequest')
    const absent = new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/absent` })
    expect(await outcome(s3.send(absent))).toBe('404 NoSuchKey')
  })

  test.each(['.', '../x', 'a//b'])('the key %j is copied like any other', async (Key) => {
    await put(Key, 'odd')
    const copy = { Bucket, Key: 'of-odd', CopySource: `${Bucket}/${Key}` }
    await s3.send(new CopyObjectCommand(copy))
    expect(await get('of-odd')).toMatchObject({ text: 'odd' })
    await s3.send(new DeleteObjectCommand({ Bucket, Key }))
  })

  test('a bucket that is missing is named so, unless nothing could be meant', async () => {
    const copyOf = (CopySource: string) =>
      outcome(s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource })))
    expect(await copyOf('no-such-bucket/key')).toBe('404 NoSuchBucket')
    expect(await copyOf('no-such-bucket/../key')).toBe('400 InvalidArgument')
    expect(await copyOf('No_Such_Bucket/key')).toBe('400 InvalidArgument')
  })

  test('buckets are listed page by page', async () => {
    const names: string[] = []
    let ContinuationToken: string | undefined
    do {
      const page = await s3.send(new ListBucketsCommand({ MaxBuckets: 1, ContinuationToken }))
      names.push(...(page.Buckets ?? []).map(({ Name }) => Name ?? ''))
      ContinuationToken = page.ContinuationToken
      if (ContinuationToken !== undefined) expect(ContinuationToken).toBe(names.at(-1))
    } while (ContinuationToken !== undefined)
    const { Buckets = [] } = await s3.send(new ListBucketsCommand({}))
    expect(names).toEqual(Buckets.map(({ Name }) => Name))
    expect(names).toContain(Bucket)
  })

  test('an upload in parts: copies, lists, completion, attributes, abort', async () => {
    const Key = 'parts'
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }))
    const first = Buffer.alloc(5 * 1024 ** 2, 1)
    const one = await s3.send(
      new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: first }),
    )
    await put('piece', '0123456789')
    const two = await s3.send(
      new UploadPartCopyCommand({
        Bucket,
        Key,
        UploadId,
        PartNumber: 2,
        CopySource: `${Bucket}/piece`,
        CopySourceRange: 'bytes=2-4',
      }),
    )
    const uploads = await s3.send(new ListMultipartUploadsCommand({ Bucket }))
    expect(uploads.Uploads?.map((each) => each.UploadId)).toContain(UploadId)
    const parts = await s3.send(new ListPartsCommand({ Bucket, Key, UploadId }))
    expect(parts.Parts?.map((each) => each.Size)).toEqual([first.length, 3])
    const done = await s3.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key,
        UploadId,
        MultipartUpload: {
          Parts: [
            { PartNumber: 1, ETag: one.ETag },
            { PartNumber: 2, ETag: two.CopyPartResult?.ETag },
          ],
        },
      }),
    )
    expect(done.ETag).toMatch(/-2"$/)
    expect((await get(Key, { Range: 'bytes=-4' })).text).toBe('\u0001234')
    expect((await get(Key, { PartNumber: 2 })).text).toBe('234')
    const attributes = await s3.send(
      new GetObjectAttributesCommand({
        Bucket,
        Key,
        ObjectAttributes: ['ETag', 'ObjectSize', 'ObjectParts'],
      }),
    )
    expect(attributes.ObjectSize).toBe(first.length + 3)
    expect(attributes.ObjectParts?.TotalPartsCount).toBe(2)

    const other = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'gone' }))
    const address = { Bucket, Key: 'gone', UploadId: other.UploadId }
    await s3.send(new AbortMultipartUploadCommand(address))
    expect(await outcome(s3.send(new ListPartsCommand(address)))).toBe('404 NoSuchUpload')
  })

  test('lists page by token and by marker, with delimiters, and echo their parameters', async () => {
    for (const Key of ['l/a', 'l/b/1', 'l/b/2', 'l/c', 'l/d']) await put(Key, 'x')
    const page = { Bucket, Prefix: 'l/', Delimiter: '/', MaxKeys: 2 }
    const first = await s3.send(new ListObjectsV2Command(page))
    expect(first).toMatchObject({ KeyCount: 2, IsTruncated: true, MaxKeys: 2, Delimiter: '/' })
    expect(first.CommonPrefixes).toEqual([{ Prefix: 'l/b/' }])
    const second = await s3.send(
      new ListObjectsV2Command({ ...page, ContinuationToken: first.NextContinuationToken }),
    )
    expect(second.Contents?.map((each) => each.Key)).toEqual(['l/c', 'l/d'])
    expect(second.IsTruncated).toBe(false)
    const old = await s3.send(new ListObjectsCommand(page))
    expect(old.NextMarker).toBe('l/b/')
    const next = await s3.send(new ListObjectsCommand({ ...page, Marker: old.NextMarker }))
    expect(next.Contents?.map((each) => each.Key)).toEqual(['l/c', 'l/d'])
    const none = await s3.send(new ListObjectsV2Command({ Bucket, MaxKeys: 0 }))
    expect(none).toMatchObject({ KeyCount: 0, IsTruncated: false })
    const bad = new ListObjectsV2Command({ Bucket, ContinuationToken: 'garbage' })
    expect(await outcome(s3.send(bad))).toBe('400 InvalidArgument')
  })

  test('a multi-delete answers for each key', async () => {
    await put('d1', 'x')
    const answer = await s3.send(
      new DeleteObjectsCommand({
        Bucket,
        Delete: {
          Objects: [{ Key: 'd1' }, { Key: '../../etc/passwd' }, { Key: 'k'.repeat(1025) }],
        },
      }),
    )
    expect(answer.Deleted?.map((each) => each.Key)).toEqual(['d1', '../../etc/passwd'])
    expect(answer.Errors?.map((each) => each.Code)).toEqual(['KeyTooLongError'])
  })

  test('buckets: location, head, not empty, a provider is asked, what is not there', async () => {
    expect((await s3.send(new GetBucketLocationCommand({ Bucket }))).LocationConstraint).toBeFalsy()
    expect((await s3.send(new HeadBucketCommand({ Bucket }))).BucketRegion).toBe('us-east-1')
    await put('here', 'x')
    expect(await outcome(s3.send(new DeleteBucketCommand({ Bucket })))).toBe('409 BucketNotEmpty')
    const again = new CreateBucketCommand({ Bucket })
    expect(await outcome(s3.send(again))).toBe('409 BucketAlreadyOwnedByYou')
    const absent = new ListObjectsV2Command({ Bucket: 'absent' })
    expect(await outcome(s3.send(absent))).toBe('404 NoSuchBucket')
    node.remote.createBucket('remote-1')
    const remote = { Bucket: 'remote-1', Key: 'k' }
    await s3.send(new PutObjectCommand({ ...remote, Body: 'through' }))
    const answer = await s3.send(new GetObjectCommand(remote))
    expect(await answer.Body?.transformToString()).toBe('through')
    await s3.send(new CreateBucketCommand({ Bucket: 'team-empty' }))
    expect(await outcome(s3.send(new DeleteBucketCommand({ Bucket: 'team-empty' })))).toBe('ok')
  })

  test('each user may do what its policy and its buckets allow, and no more', async () => {
    await put('mine', 'x')
    await s3.send(new CreateBucketCommand({ Bucket: 'private' }))
    await s3.send(new PutObjectCommand({ Bucket: 'private', Key: 'secret', Body: 'x' }))
    const address = { Bucket, Key: 'mine' }
    const calls = {
      ListObjectsV2: new ListObjectsV2Command({ Bucket }),
      GetObject: new GetObjectCommand(address),
      PutObject: new PutObjectCommand({ ...address, Body: 'y' }),
      DeleteObject: new DeleteObjectCommand({ Bucket, Key: 'nothing' }),
      CopyFromPrivate: new CopyObjectCommand({ ...address, CopySource: 'private/secret' }),
      GetPrivate: new GetObjectCommand({ Bucket: 'private', Key: 'secret' }),
      ListAbsent: new ListObjectsV2Command({ Bucket: 'absent' }),
      CreateBucket: new CreateBucketCommand({ Bucket: 'team-new' }),
    }
    const allowed = async (id: string) => {
      const client = clientOf(id, node)
      const names: string[] = []
      for (const [name, command] of Object.entries(calls)) {
        // biome-ignore lint/suspicious/noExplicitAny: the SDK has no common type of its commands.
        const result = await outcome(client.send(command as any))
        if (result === 'ok') names.push(name)
        else expect(result).toBe('403 AccessDenied')
      }
      return names
    }
    expect(await allowed('reader')).toEqual(['ListObjectsV2', 'GetObject'])
    expect(await allowed('writer')).toEqual([
      'ListObjectsV2',
      'GetObject',
      'PutObject',
      'DeleteObject',
    ])
    expect(await allowed('stranger')).toEqual([])
    expect(await outcome(clientOf('nobody', node).send(calls.GetObject))).toBe(
      '403 InvalidAccessKeyId',
    )
    const seen = await clientOf('writer', node).send(new ListBucketsCommand({}))
    expect(seen.Buckets?.every(({ Name }) => Name?.startsWith('team-'))).toBe(true)
  })

  test('every answer is told once, without secrets, and nothing unexpected happened', () => {
    const text = JSON.stringify(node.answers)
    for (const { secretKey } of USERS) expect(text).not.toContain(secretKey)
    expect(text).not.toContain('X-Amz-Signature')
    expect(new Set(node.answers.map(({ requestId }) => requestId)).size).toBe(node.answers.length)
    const head = node.answers.find(({ operation }) => operation === 'GetObject')
    expect(head).toMatchObject({ user: 'root', bucket: Bucket, status: 200, cache: 'hit' })
    expect(node.reports).toEqual([])
  })
})
