import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  GetBucketTaggingCommand,
  GetBucketVersioningCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutBucketTaggingCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Server, startForebay, startVersitygw, temporaryFolder } from '../testkit/servers.ts'
import { isLeftOut } from '../testkit/tools.ts'

const KEYS = { accessKey: 'origin-key', secretKey: 'origin-secret-0001' }
const Bucket = 'versions'

const outcome = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'ok',
    (error) => `${error.$metadata?.httpStatusCode} ${error.name}`,
  )

describe.runIf(!isLeftOut('versitygw'))(
  'what an S3 origin with versions has, is had through Forebay',
  () => {
    let folder: Awaited<ReturnType<typeof temporaryFolder>>
    let origin: Server
    let forebay: Server
    let direct: S3Client
    let s3: S3Client
    const ids: string[] = []

    const clientOf = (endpoint: string) =>
      new S3Client({
        endpoint,
        region: 'us-east-1',
        forcePathStyle: true,
        credentials: { accessKeyId: KEYS.accessKey, secretAccessKey: KEYS.secretKey },
      })
    const get = async (more: { VersionId?: string; Range?: string; PartNumber?: number } = {}) => {
      const answer = await s3.send(new GetObjectCommand({ Bucket, Key: 'k', ...more }))
      return { ...answer, text: await answer.Body?.transformToString() }
    }

    beforeAll(async () => {
      folder = await temporaryFolder('s3-origin')
      const { path } = folder
      origin = await startVersitygw({ ...KEYS, dir: `${path}/data`, versionsDir: `${path}/old` })
      forebay = await startForebay({
        dataDir: `${path}/forebay`,
        config: { backends: { aws: { endpoint: origin.url } } },
        env: { AWS_ACCESS_KEY_ID: KEYS.accessKey, AWS_SECRET_ACCESS_KEY: KEYS.secretKey },
      })
      direct = clientOf(origin.url)
      s3 = clientOf(forebay.url)
      await direct.send(new CreateBucketCommand({ Bucket }))
      await direct.send(
        new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }),
      )
      for (const [Body, Tagging] of [
        ['first', 'n=1'],
        ['second', 'n=2&m=x'],
      ]) {
        const put = new PutObjectCommand({ Bucket, Key: 'k', Body: Body ?? '', Tagging })
        ids.push((await s3.send(put)).VersionId ?? '')
      }
    })
    afterAll(async () => {
      for (const client of [direct, s3]) client?.destroy()
      await forebay?.stop()
      await origin?.stop()
      await folder?.remove()
    })

    test('versions are listed, and each is read by its id', async () => {
      expect((await s3.send(new GetBucketVersioningCommand({ Bucket }))).Status).toBe('Enabled')
      const listed = await s3.send(new ListObjectVersionsCommand({ Bucket }))
      expect(listed.Versions?.map(({ VersionId, IsLatest }) => [VersionId, IsLatest])).toEqual([
        [ids[1], true],
        [ids[0], false],
      ])
      expect(await get()).toMatchObject({ text: 'second', VersionId: ids[1], TagCount: 2 })
      const [VersionId = ''] = ids
      expect(await get({ VersionId })).toMatchObject({ text: 'first', VersionId, TagCount: 1 })
      expect((await get({ VersionId, Range: 'bytes=1-2' })).text).toBe('ir')
      expect((await get({ VersionId: ids[1] ?? '' })).text).toBe('second')
      expect(await get()).toMatchObject({ text: 'second' })
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'k', VersionId }))
      expect(head).toMatchObject({ ContentLength: 5, VersionId })
      const attributes = new GetObjectAttributesCommand({
        Bucket,
        Key: 'k',
        VersionId,
        ObjectAttributes: ['ObjectSize'],
      })
      expect((await s3.send(attributes)).ObjectSize).toBe(5)
      expect(await outcome(get({ VersionId: '01KAJ000000000000000000000' }))).toMatch(/^40[04] /)
    })

    test('tags are those of the origin, of a version too, and the cache counts them', async () => {
      const TagSet = [{ Key: 'only', Value: 'one' }]
      const put = new PutObjectTaggingCommand({ Bucket, Key: 'k', Tagging: { TagSet } })
      await s3.send(put)
      const tagging = new GetObjectTaggingCommand({ Bucket, Key: 'k' })
      expect((await direct.send(tagging)).TagSet).toEqual(TagSet)
      expect((await s3.send(tagging)).TagSet).toEqual(TagSet)
      expect((await get()).TagCount).toBe(1)
      const [VersionId] = ids
      const old = await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'k', VersionId }))
      expect(old.TagSet).toEqual([{ Key: 'n', Value: '1' }])
      await s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/k` }))
      const copied = await direct.send(new GetObjectTaggingCommand({ Bucket, Key: 'copy' }))
      expect(copied.TagSet).toEqual(TagSet)
    })

    test('tags of the bucket are those that it has at its origin', async () => {
      const absent = new GetBucketTaggingCommand({ Bucket })
      expect(await outcome(s3.send(absent))).toBe('404 NoSuchTagSet')
      const TagSet = [{ Key: 'team', Value: 'blue' }]
      await s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }))
      expect((await direct.send(absent)).TagSet).toEqual(TagSet)
      expect((await s3.send(absent)).TagSet).toEqual(TagSet)
    })

    test('a deleted object is gone, its versions are not', async () => {
      await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
      expect(await outcome(get())).toBe('404 NoSuchKey')
      const [VersionId = ''] = ids
      expect((await get({ VersionId })).text).toBe('first')
      const listed = await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix: 'k' }))
      expect(listed.DeleteMarkers?.map(({ Key, IsLatest }) => [Key, IsLatest])).toEqual([
        ['k', true],
      ])
    })
  },
)
