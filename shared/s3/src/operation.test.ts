import { isFailure } from '@forebay/base/failure'
import { describe, expect, test } from 'vitest'
import { matchOperation, OPERATION_NAMES } from './operation.ts'
import type { RequestHeaders } from './request-headers.ts'
import { parseRequestTarget } from './request-target.ts'

const match = (method: string, raw: string, headers: RequestHeaders = {}) =>
  matchOperation(method, parseRequestTarget(raw), headers)

const copy = { 'x-amz-copy-source': 'b/k' }

const EXAMPLES = [
  ['GET', '/', 'ListBuckets'],
  ['GET', '/b', 'ListObjects'],
  ['GET', '/b?marker=a&prefix=p', 'ListObjects'],
  ['GET', '/b/?list-type=2&start-after=a&fetch-owner=true&x-id=ListObjectsV2', 'ListObjectsV2'],
  ['GET', '/b?location', 'GetBucketLocation'],
  ['GET', '/b?uploads&key-marker=a', 'ListMultipartUploads'],
  ['HEAD', '/b', 'HeadBucket'],
  ['PUT', '/b', 'CreateBucket'],
  ['DELETE', '/b', 'DeleteBucket'],
  ['POST', '/b?delete', 'DeleteObjects'],
  ['POST', '/b/?delete=', 'DeleteObjects'],
  ['GET', '/b/k?x-id=GetObject', 'GetObject'],
  ['GET', '/b/k?partNumber=1&response-content-type=a', 'GetObject'],
  ['GET', '/b/k?versionId=null', 'GetObject'],
  ['GET', '/b/k?X-Amz-Signature=0&X-Amz-Algorithm=1', 'GetObject'],
  ['GET', '/b/k?AWSAccessKeyId=a&Signature=b&Expires=1', 'GetObject'],
  ['HEAD', '/b/k', 'HeadObject'],
  ['GET', '/b/k?attributes', 'GetObjectAttributes'],
  ['PUT', '/b/k', 'PutObject'],
  ['DELETE', '/b/k', 'DeleteObject'],
  ['POST', '/b/k?uploads', 'CreateMultipartUpload'],
  ['PUT', '/b/k?partNumber=1&uploadId=u', 'UploadPart'],
  ['POST', '/b/k?uploadId=u', 'CompleteMultipartUpload'],
  ['DELETE', '/b/k?uploadId=u', 'AbortMultipartUpload'],
  ['GET', '/b/k?uploadId=u', 'ListParts'],
  ['GET', '/b/k?tagging', 'GetObjectTagging'],
  ['PUT', '/b/k?tagging', 'PutObjectTagging'],
  ['DELETE', '/b/k?tagging', 'DeleteObjectTagging'],
  ['GET', '/b?tagging', 'GetBucketTagging'],
  ['PUT', '/b?tagging', 'PutBucketTagging'],
  ['DELETE', '/b?tagging', 'DeleteBucketTagging'],
  ['GET', '/b?cors', 'GetBucketCors'],
  ['PUT', '/b?cors', 'PutBucketCors'],
  ['DELETE', '/b?cors', 'DeleteBucketCors'],
  ['GET', '/b?acl', 'GetBucketAcl'],
  ['PUT', '/b?acl', 'PutBucketAcl'],
  ['GET', '/b/k?acl', 'GetObjectAcl'],
  ['PUT', '/b/k?acl', 'PutObjectAcl'],
  ['GET', '/b?ownershipControls', 'GetBucketOwnershipControls'],
  ['PUT', '/b?ownershipControls', 'PutBucketOwnershipControls'],
  ['DELETE', '/b?ownershipControls', 'DeleteBucketOwnershipControls'],
  ['GET', '/b?versioning', 'GetBucketVersioning'],
  ['GET', '/b?versions', 'ListObjectVersions'],
  ['GET', '/b?policy', 'GetBucketPolicy'],
  ['DELETE', '/b?policy', 'DeleteBucketPolicy'],
  ['GET', '/b?policyStatus', 'GetBucketPolicyStatus'],
  ['GET', '/b?publicAccessBlock', 'GetPublicAccessBlock'],
  ['DELETE', '/b?publicAccessBlock', 'DeletePublicAccessBlock'],
  ['GET', '/b?lifecycle', 'GetBucketLifecycleConfiguration'],
  ['DELETE', '/b?lifecycle', 'DeleteBucketLifecycle'],
  ['GET', '/b?encryption', 'GetBucketEncryption'],
  ['DELETE', '/b?encryption', 'DeleteBucketEncryption'],
  ['GET', '/b?replication', 'GetBucketReplication'],
  ['DELETE', '/b?replication', 'DeleteBucketReplication'],
  ['GET', '/b?website', 'GetBucketWebsite'],
  ['DELETE', '/b?website', 'DeleteBucketWebsite'],
  ['GET', '/b?object-lock', 'GetObjectLockConfiguration'],
  ['GET', '/b?logging', 'GetBucketLogging'],
  ['GET', '/b?notification', 'GetBucketNotificationConfiguration'],
  ['GET', '/b?accelerate', 'GetBucketAccelerateConfiguration'],
  ['GET', '/b?requestPayment', 'GetBucketRequestPayment'],
] as const

test.each(EXAMPLES)('%s %s is %s', (method, raw, name) => {
  expect(match(method, raw)).toBe(name)
})

test('a copy is a PUT with a source', () => {
  expect(match('PUT', '/b/k', copy)).toBe('CopyObject')
  expect(match('PUT', '/b/k?partNumber=1&uploadId=u', copy)).toBe('UploadPartCopy')
  expect(match('PUT', '/b/k', { 'x-amz-copy-source': '' })).toBe('CopyObject')
  expect(match('GET', '/b/k', copy)).toBe('GetObject')
})

test('every operation is reached', () => {
  const reached = new Set<string>(EXAMPLES.map(([, , name]) => name))
  // A form is told by what it is not: it has neither a query nor an Authorization header.
  expect([...reached, 'CopyObject', 'UploadPartCopy', 'PostObject'].sort()).toEqual(
    [...OPERATION_NAMES].sort(),
  )
})

const isBuilt = (method: string, raw: string): boolean =>
  EXAMPLES.some(([built, target]) => built === method && target === raw)

describe('what is not implemented never answers 200', () => {
  const bucketResources =
    'accelerate acl analytics cors encryption intelligent-tiering inventory lifecycle logging metrics notification object-lock ownershipControls policy policyStatus publicAccessBlock replication requestPayment tagging versioning versions website session metadataTable somethingNew'
  test.each(bucketResources.split(' '))('?%s on a bucket', (name) => {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'POST']) {
      for (const raw of [`/b?${name}`, `/b?${name}=1`, `/b?${name}&list-type=2`]) {
        if (isBuilt(method, `/b?${name}`) && !raw.includes('list-type')) continue
        expect(() => match(method, raw)).toThrow(
          expect.toSatisfy((error) => isFailure(error, 'not-implemented')),
        )
      }
    }
  })

  const objectResources =
    'acl legal-hold restore retention select select-type tagging torrent annotation renameObject append'
  test.each(objectResources.split(' '))('?%s on an object', (name) => {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'POST']) {
      if (isBuilt(method, `/b/k?${name}`)) continue
      expect(() => match(method, `/b/k?${name}`)).toThrow(
        expect.toSatisfy((error) => isFailure(error, 'not-implemented')),
      )
    }
  })
})

test.each([
  ['PUT', '/b/k?uploadId=u', 'argument-invalid'],
  ['PUT', '/b/k?partNumber=1', 'argument-invalid'],
  ['GET', '/b?list-type=3', 'argument-invalid'],
  ['DELETE', '/b/k?versionId=abc', 'not-implemented'],
  ['PUT', '/b/k?versionId=abc', 'not-implemented'],
  ['GET', `/b/k?versionId=${'v'.repeat(1025)}`, 'argument-invalid'],
  ['GET', '/b/k?versionId=', 'argument-invalid'],
  ['POST', '/b', 'method-not-allowed'],
  ['POST', '/b/k', 'method-not-allowed'],
  ['PUT', '/', 'method-not-allowed'],
  ['DELETE', '/', 'method-not-allowed'],
  ['PATCH', '/b/k', 'method-not-allowed'],
  ['TRACE', '/b/k', 'method-not-allowed'],
  ['OPTIONS', '/b/k', 'method-not-allowed'],
  ['constructor', '/b/k', 'method-not-allowed'],
  ['get', '/b/k', 'method-not-allowed'],
] as const)('%s %s is refused as %s', (method, raw, code) => {
  expect(() => match(method, raw)).toThrow(expect.toSatisfy((error) => isFailure(error, code)))
})

test('an HTML form is refused in words', () => {
  expect(() => match('POST', '/b', { 'content-type': 'multipart/form-data; boundary=x' })).toThrow(
    expect.toSatisfy((error) => isFailure(error, 'bad-request')),
  )
})
