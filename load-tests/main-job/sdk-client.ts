import { createHash } from 'node:crypto'
import { openAsBlob } from 'node:fs'
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3'
import { type Client, type Digest, type Endpoint, type ListedKey, REGION } from './client.ts'

/** @aws-sdk/client-s3 on one bucket; `close` ends its connections. */
export function sdkClient({
  endpoint,
  bucket,
}: {
  readonly endpoint: Endpoint
  readonly bucket: string
}): Client & { readonly close: () => void; readonly createBucket: () => Promise<void> } {
  const s3 = new S3Client({
    endpoint: endpoint.url,
    region: REGION,
    forcePathStyle: true,
    credentials: { accessKeyId: endpoint.accessKey, secretAccessKey: endpoint.secretKey },
  })
  return {
    name: '@aws-sdk/client-s3',
    close: () => s3.destroy(),
    createBucket: async () => {
      await s3.send(new CreateBucketCommand({ Bucket: bucket }))
    },
    list: async (prefix) => {
      const found: ListedKey[] = []
      for await (const page of paginateListObjectsV2(
        { client: s3 },
        { Bucket: bucket, Prefix: prefix },
      )) {
        for (const { Key = '', Size = -1 } of page.Contents ?? [])
          found.push({ key: Key, sizeBytes: Size })
      }
      return found
    },
    read: async (keys) => {
      const found: Record<string, Digest> = {}
      for (const key of keys) {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
        if (Body === undefined) throw new Error(`no body for ${key}`)
        const hash = createHash('sha256')
        let sizeBytes = 0
        for await (const chunk of Body.transformToWebStream()) {
          hash.update(chunk)
          sizeBytes += chunk.length
        }
        found[key] = { sizeBytes, sha256: hash.digest('hex') }
      }
      return found
    },
    write: async (path, key) => {
      const body = new Uint8Array(await (await openAsBlob(path)).arrayBuffer())
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }))
    },
    copy: async (source, target) => {
      const from = `${bucket}/${encodeURIComponent(source)}`
      await s3.send(new CopyObjectCommand({ Bucket: bucket, Key: target, CopySource: from }))
    },
    remove: async (key) => {
      await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }))
    },
  }
}
