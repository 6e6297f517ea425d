import type { BucketRecord } from '@forebay/model/bucket'
import type { ObjectAddress } from '@forebay/peer/target-port'
import type { OperationName } from '@forebay/s3/operation'
import type { Permission } from '../../authentication/authorise.ts'
import { abortMultipartUpload } from './abort-multipart-upload.ts'
import {
  deleteBucketOwnershipControls,
  getBucketAcl,
  getBucketOwnershipControls,
  getObjectAcl,
  putBucketAcl,
  putBucketOwnershipControls,
  putObjectAcl,
} from './access-control.ts'
import { absent, empty, removed } from './bucket-configurations.ts'
import { deleteBucketCors, getBucketCors, putBucketCors } from './bucket-cors.ts'
import { deleteBucketTagging, getBucketTagging, putBucketTagging } from './bucket-tagging.ts'
import { completeMultipartUpload } from './complete-multipart-upload.ts'
import { copyObject } from './copy-object.ts'
import { createBucket } from './create-bucket.ts'
import { createMultipartUpload } from './create-multipart-upload.ts'
import { deleteBucket } from './delete-bucket.ts'
import { deleteObject } from './delete-object.ts'
import { deleteObjects } from './delete-objects.ts'
import type { Exchange } from './exchange.ts'
import { getBucketLocation } from './get-bucket-location.ts'
import { getBucketVersioning } from './get-bucket-versioning.ts'
import { getObject } from './get-object.ts'
import { getObjectAttributes } from './get-object-attributes.ts'
import { headBucket } from './head-bucket.ts'
import { headObject } from './head-object.ts'
import { listBuckets } from './list-buckets.ts'
import { listMultipartUploads } from './list-multipart-uploads.ts'
import { listObjectVersions } from './list-object-versions.ts'
import { listObjects } from './list-objects.ts'
import { listObjectsV2 } from './list-objects-v2.ts'
import { listParts } from './list-parts.ts'
import { deleteObjectTagging, getObjectTagging, putObjectTagging } from './object-tagging.ts'
import { postObject } from './post-object.ts'
import { putObject } from './put-object.ts'
import { uploadPart } from './upload-part.ts'
import { uploadPartCopy } from './upload-part-copy.ts'

/**
 * How an operation is served: what the caller needs, and the handler that gets what was authorised.
 * `name` is a bucket that need not exist.
 */
export type Operation =
  | {
      readonly on: 'service' | 'name'
      readonly needs: Permission
      readonly handle: (exchange: Exchange) => Promise<void>
    }
  | {
      readonly on: 'bucket'
      readonly needs: Permission
      readonly handle: (exchange: Exchange, bucket: BucketRecord) => Promise<void>
    }
  | {
      readonly on: 'object'
      readonly needs: Permission
      readonly handle: (exchange: Exchange, address: ObjectAddress) => Promise<void>
    }

/** Every operation of the S3 door. A handler is reached through this table only. */
export const OPERATIONS: Readonly<Record<OperationName, Operation>> = {
  ListBuckets: { on: 'service', needs: 'list', handle: listBuckets },
  CreateBucket: { on: 'name', needs: 'admin', handle: createBucket },
  HeadBucket: { on: 'bucket', needs: 'list', handle: headBucket },
  DeleteBucket: { on: 'bucket', needs: 'admin', handle: deleteBucket },
  GetBucketLocation: { on: 'bucket', needs: 'list', handle: getBucketLocation },
  ListObjects: { on: 'bucket', needs: 'list', handle: listObjects },
  ListObjectsV2: { on: 'bucket', needs: 'list', handle: listObjectsV2 },
  ListMultipartUploads: { on: 'bucket', needs: 'list', handle: listMultipartUploads },
  DeleteObjects: { on: 'bucket', needs: 'write', handle: deleteObjects },
  GetObject: { on: 'object', needs: 'read', handle: getObject },
  HeadObject: { on: 'object', needs: 'read', handle: headObject },
  GetObjectAttributes: { on: 'object', needs: 'read', handle: getObjectAttributes },
  PutObject: { on: 'object', needs: 'write', handle: putObject },
  CopyObject: { on: 'object', needs: 'write', handle: copyObject },
  DeleteObject: { on: 'object', needs: 'write', handle: deleteObject },
  CreateMultipartUpload: { on: 'object', needs: 'write', handle: createMultipartUpload },
  UploadPart: { on: 'object', needs: 'write', handle: uploadPart },
  UploadPartCopy: { on: 'object', needs: 'write', handle: uploadPartCopy },
  CompleteMultipartUpload: { on: 'object', needs: 'write', handle: completeMultipartUpload },
  AbortMultipartUpload: { on: 'object', needs: 'write', handle: abortMultipartUpload },
  GetObjectTagging: { on: 'object', needs: 'read', handle: getObjectTagging },
  PutObjectTagging: { on: 'object', needs: 'write', handle: putObjectTagging },
  DeleteObjectTagging: { on: 'object', needs: 'write', handle: deleteObjectTagging },
  GetBucketTagging: { on: 'bucket', needs: 'list', handle: getBucketTagging },
  PutBucketTagging: { on: 'bucket', needs: 'admin', handle: putBucketTagging },
  DeleteBucketTagging: { on: 'bucket', needs: 'admin', handle: deleteBucketTagging },
  GetBucketCors: { on: 'bucket', needs: 'list', handle: getBucketCors },
  PutBucketCors: { on: 'bucket', needs: 'admin', handle: putBucketCors },
  DeleteBucketCors: { on: 'bucket', needs: 'admin', handle: deleteBucketCors },
  GetBucketAcl: { on: 'bucket', needs: 'list', handle: getBucketAcl },
  PutBucketAcl: { on: 'bucket', needs: 'admin', handle: putBucketAcl },
  GetObjectAcl: { on: 'object', needs: 'read', handle: getObjectAcl },
  PutObjectAcl: { on: 'object', needs: 'write', handle: putObjectAcl },
  GetBucketOwnershipControls: { on: 'bucket', needs: 'list', handle: getBucketOwnershipControls },
  PutBucketOwnershipControls: { on: 'bucket', needs: 'admin', handle: putBucketOwnershipControls },
  DeleteBucketOwnershipControls: {
    on: 'bucket',
    needs: 'admin',
    handle: deleteBucketOwnershipControls,
  },
  GetBucketVersioning: { on: 'bucket', needs: 'list', handle: getBucketVersioning },
  ListObjectVersions: { on: 'bucket', needs: 'list', handle: listObjectVersions },
  GetBucketPolicy: { on: 'bucket', needs: 'list', handle: absent('policy') },
  GetBucketPolicyStatus: { on: 'bucket', needs: 'list', handle: absent('policy') },
  GetPublicAccessBlock: { on: 'bucket', needs: 'list', handle: absent('publicAccessBlock') },
  GetBucketLifecycleConfiguration: { on: 'bucket', needs: 'list', handle: absent('lifecycle') },
  GetBucketEncryption: { on: 'bucket', needs: 'list', handle: absent('encryption') },
  GetBucketReplication: { on: 'bucket', needs: 'list', handle: absent('replication') },
  GetBucketWebsite: { on: 'bucket', needs: 'list', handle: absent('website') },
  GetObjectLockConfiguration: { on: 'bucket', needs: 'list', handle: absent('object-lock') },
  GetBucketLogging: { on: 'bucket', needs: 'list', handle: empty('BucketLoggingStatus') },
  GetBucketNotificationConfiguration: {
    on: 'bucket',
    needs: 'list',
    handle: empty('NotificationConfiguration'),
  },
  GetBucketAccelerateConfiguration: {
    on: 'bucket',
    needs: 'list',
    handle: empty('AccelerateConfiguration'),
  },
  GetBucketRequestPayment: {
    on: 'bucket',
    needs: 'list',
    handle: empty('RequestPaymentConfiguration', '<Payer>BucketOwner</Payer>'),
  },
  DeleteBucketPolicy: { on: 'bucket', needs: 'admin', handle: removed },
  DeletePublicAccessBlock: { on: 'bucket', needs: 'admin', handle: removed },
  DeleteBucketLifecycle: { on: 'bucket', needs: 'admin', handle: removed },
  DeleteBucketEncryption: { on: 'bucket', needs: 'admin', handle: removed },
  DeleteBucketReplication: { on: 'bucket', needs: 'admin', handle: removed },
  DeleteBucketWebsite: { on: 'bucket', needs: 'admin', handle: removed },
  PostObject: { on: 'bucket', needs: 'write', handle: postObject },
  ListParts: { on: 'object', needs: 'list', handle: listParts },
}
