import { OPERATIONS } from '@forebay/gateway/api/s3/operations'
import { mayDo } from '@forebay/gateway/authentication/authorise'
import { OPERATION_NAMES, type OperationName } from '@forebay/s3/operation'
import { signRequest } from '@forebay/s3/sigv4/sign'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { S3Node, USERS } from './s3-node.ts'

/** One request for each operation; `team-a` exists. */
const EXAMPLES: Readonly<
  Record<OperationName, { readonly line: readonly [string, string]; readonly source?: string }>
> = {
  ListBuckets: { line: ['GET', '/'] },
  CreateBucket: { line: ['PUT', '/team-created'] },
  HeadBucket: { line: ['HEAD', '/team-a'] },
  DeleteBucket: { line: ['DELETE', '/team-a'] },
  GetBucketLocation: { line: ['GET', '/team-a?location'] },
  ListObjects: { line: ['GET', '/team-a'] },
  ListObjectsV2: { line: ['GET', '/team-a?list-type=2'] },
  ListMultipartUploads: { line: ['GET', '/team-a?uploads'] },
  DeleteObjects: { line: ['POST', '/team-a?delete'] },
  GetObject: { line: ['GET', '/team-a/k'] },
  HeadObject: { line: ['HEAD', '/team-a/k'] },
  GetObjectAttributes: { line: ['GET', '/team-a/k?attributes'] },
  PutObject: { line: ['PUT', '/team-a/k'] },
  CopyObject: { line: ['PUT', '/team-a/k'], source: 'team-a/s' },
  DeleteObject: { line: ['DELETE', '/team-a/k'] },
  CreateMultipartUpload: { line: ['POST', '/team-a/k?uploads'] },
  UploadPart: { line: ['PUT', '/team-a/k?partNumber=1&uploadId=u'] },
  UploadPartCopy: { line: ['PUT', '/team-a/k?partNumber=1&uploadId=u'], source: 'team-a/s' },
  CompleteMultipartUpload: { line: ['POST', '/team-a/k?uploadId=u'] },
  AbortMultipartUpload: { line: ['DELETE', '/team-a/k?uploadId=u'] },
  ListParts: { line: ['GET', '/team-a/k?uploadId=u'] },
  GetObjectTagging: { line: ['GET', '/team-a/k?tagging'] },
  PutObjectTagging: { line: ['PUT', '/team-a/k?tagging'] },
  DeleteObjectTagging: { line: ['DELETE', '/team-a/k?tagging'] },
  GetBucketTagging: { line: ['GET', '/team-a?tagging'] },
  PutBucketTagging: { line: ['PUT', '/team-a?tagging'] },
  DeleteBucketTagging: { line: ['DELETE', '/team-a?tagging'] },
  GetBucketCors: { line: ['GET', '/team-a?cors'] },
  PutBucketCors: { line: ['PUT', '/team-a?cors'] },
  DeleteBucketCors: { line: ['DELETE', '/team-a?cors'] },
  GetBucketAcl: { line: ['GET', '/team-a?acl'] },
  PutBucketAcl: { line: ['PUT', '/team-a?acl'] },
  GetObjectAcl: { line: ['GET', '/team-a/k?acl'] },
  PutObjectAcl: { line: ['PUT', '/team-a/k?acl'] },
  GetBucketOwnershipControls: { line: ['GET', '/team-a?ownershipControls'] },
  PutBucketOwnershipControls: { line: ['PUT', '/team-a?ownershipControls'] },
  DeleteBucketOwnershipControls: { line: ['DELETE', '/team-a?ownershipControls'] },
  GetBucketVersioning: { line: ['GET', '/team-a?versioning'] },
  ListObjectVersions: { line: ['GET', '/team-a?versions'] },
  GetBucketPolicy: { line: ['GET', '/team-a?policy'] },
  DeleteBucketPolicy: { line: ['DELETE', '/team-a?policy'] },
  GetBucketPolicyStatus: { line: ['GET', '/team-a?policyStatus'] },
  GetPublicAccessBlock: { line: ['GET', '/team-a?publicAccessBlock'] },
  DeletePublicAccessBlock: { line: ['DELETE', '/team-a?publicAccessBlock'] },
  GetBucketLifecycleConfiguration: { line: ['GET', '/team-a?lifecycle'] },
  DeleteBucketLifecycle: { line: ['DELETE', '/team-a?lifecycle'] },
  GetBucketEncryption: { line: ['GET', '/team-a?encryption'] },
  DeleteBucketEncryption: { line: ['DELETE', '/team-a?encryption'] },
  GetBucketReplication: { line: ['GET', '/team-a?replication'] },
  DeleteBucketReplication: { line: ['DELETE', '/team-a?replication'] },
  GetBucketWebsite: { line: ['GET', '/team-a?website'] },
  DeleteBucketWebsite: { line: ['DELETE', '/team-a?website'] },
  GetObjectLockConfiguration: { line: ['GET', '/team-a?object-lock'] },
  GetBucketLogging: { line: ['GET', '/team-a?logging'] },
  GetBucketNotificationConfiguration: { line: ['GET', '/team-a?notification'] },
  GetBucketAccelerateConfiguration: { line: ['GET', '/team-a?accelerate'] },
  GetBucketRequestPayment: { line: ['GET', '/team-a?requestPayment'] },
  PostObject: { line: ['POST', '/team-a'] },
}

const DENIED = /^HTTP\/1\.1 403 /

/** Forms are signed in their fields: `post-object.test.ts`. */
const SIGNED_IN_HEADERS = OPERATION_NAMES.filter((name) => name !== 'PostObject')

describe.each(SIGNED_IN_HEADERS)('%s', (name) => {
  let node: S3Node

  beforeAll(async () => {
    node = await S3Node.start('users')
    await node.table.create({
      provider: 'ais',
      namespace: { uuid: '', name: '' },
      name: 'team-a',
    })
  })
  afterAll(() => node.close())

  const send = async (keys: { accessKey: string; secretKey: string } | undefined) => {
    const { line, source } = EXAMPLES[name]
    const [method, target] = line
    const headers: Record<string, string> = { host: '127.0.0.1', 'content-length': '0' }
    if (source !== undefined) headers['x-amz-copy-source'] = source
    if (keys !== undefined) {
      const signature = signRequest({
        method,
        target,
        headers,
        payload: 'UNSIGNED-PAYLOAD',
        credentials: { accessKeyId: keys.accessKey, secretAccessKey: keys.secretKey },
        region: 'us-east-1',
        date: new Date(),
      })
      Object.assign(headers, signature)
    }
    const lines = Object.entries(headers).map(([header, value]) => `${header}: ${value}`)
    const { text } = await node.exchange(
      `${[`${method} ${target} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`,
      { quietMs: 50 },
    )
    expect(text).toMatch(/^HTTP\/1\.1 \d/)
    return text
  }

  test('is refused to nobody, to a wrong key and to a wrong secret', async () => {
    expect(await send(undefined)).toMatch(DENIED)
    expect(await send({ accessKey: 'AKUNKNOWN', secretKey: 'x' })).toMatch(DENIED)
    expect(await send({ accessKey: 'AKROOT', secretKey: 'wrong' })).toMatch(DENIED)
  })

  test.each(USERS)('is open to $id exactly as the table says', async (user) => {
    const { on, needs } = OPERATIONS[name]
    const names = on === 'service' ? undefined : ['team-a']
    const text = await send(user)
    if (mayDo({ kind: 'user', user }, needs, names)) expect(text).not.toMatch(DENIED)
    else expect(text).toMatch(DENIED)
  })
})

test('what each policy may do', () => {
  const needed = (permission: string) =>
    OPERATION_NAMES.filter((name) => OPERATIONS[name].needs === permission)
  // Reading takes no more than reading; what changes a bucket itself is the administrator's.
  for (const name of needed('admin')) expect(name).toMatch(/^(Create|Put|Delete)(Bucket|Public)/)
  expect(needed('admin')).toContain('DeleteBucket')
  expect(needed('read')).toEqual([
    'GetObject',
    'HeadObject',
    'GetObjectAttributes',
    'GetObjectTagging',
    'GetObjectAcl',
  ])
  for (const name of needed('list')) expect(name).toMatch(/^(List|Head|Get)/)
  expect(needed('write')).toEqual([
    'DeleteObjects',
    'PutObject',
    'CopyObject',
    'DeleteObject',
    'CreateMultipartUpload',
    'UploadPart',
    'UploadPartCopy',
    'CompleteMultipartUpload',
    'AbortMultipartUpload',
    'PutObjectTagging',
    'DeleteObjectTagging',
    'PutObjectAcl',
    'PostObject',
  ])
})
