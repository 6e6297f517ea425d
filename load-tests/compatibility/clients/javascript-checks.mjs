/** Checks of the S3 clients for JavaScript; prints a line of JSON for each of the one chosen. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'

const {
  S3_ENDPOINT: endpoint,
  S3_BUCKET: bucket,
  S3_CLIENT: chosen,
  S3_MODULES: modules,
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
} = process.env
const region = 'us-east-1'
const credentials = { accessKeyId, secretAccessKey }
const folders = JSON.parse(modules)

/** A package from the folder that it was installed into. */
const load = (name, folder) => createRequire(`${folders[folder]}/x.js`)(name)

/** Bytes that look random and are the same each time. */
function blob(sizeBytes) {
  const block = Buffer.concat(
    Array.from({ length: 2048 }, (_, at) => createHash('sha256').update(`${at}`).digest()),
  )
  return Buffer.concat(Array(Math.ceil(sizeBytes / block.length)).fill(block)).subarray(
    0,
    sizeBytes,
  )
}

const CHECKS = [
  {
    client: '@aws-sdk/client-s3 v3',
    what: 'lib-storage in parts, lists, copies, presigned',
    run: async () => {
      const sdk = load('@aws-sdk/client-s3', 'lib-storage')
      const { Upload } = load('@aws-sdk/lib-storage', 'lib-storage')
      const client = new sdk.S3Client({ endpoint, region, credentials, forcePathStyle: true })
      const data = blob(11 * 1024 ** 2)
      const params = { Bucket: bucket, Key: 'js-v3/parts', Body: Readable.from([data]) }
      await new Upload({ client, params, partSize: 5 * 1024 ** 2 }).done()
      const Key = 'js-v3/copy'
      const CopySource = `${bucket}/js-v3/parts`
      await client.send(new sdk.CopyObjectCommand({ Bucket: bucket, Key, CopySource }))
      const found = await client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key }))
      assert(Buffer.from(await found.Body.transformToByteArray()).equals(data))
      const list = new sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: 'js-v3/' })
      const { Contents } = await client.send(list)
      assert.deepEqual(
        Contents.map((one) => one.Key),
        ['js-v3/copy', 'js-v3/parts'],
      )
      client.destroy()
    },
  },
  {
    client: 'aws-sdk v2 for JavaScript',
    what: 'managed upload, getObject, listings, getSignedUrl',
    run: async () => {
      const AWS = load('aws-sdk', 'aws-sdk')
      const s3 = new AWS.S3({ endpoint, region, credentials, s3ForcePathStyle: true })
      const data = blob(11 * 1024 ** 2)
      const at = { Bucket: bucket, Key: 'js-v2/a b' }
      await s3.upload({ ...at, Body: Readable.from([data]) }).promise()
      assert((await s3.getObject(at).promise()).Body.equals(data))
      const answer = await fetch(s3.getSignedUrl('getObject', at))
      assert(Buffer.from(await answer.arrayBuffer()).equals(data))
      const listed = await s3.listObjects({ Bucket: bucket, Prefix: 'js-v2/' }).promise()
      assert.equal(listed.Contents.length, 1)
      await s3.deleteObjects({ Bucket: bucket, Delete: { Objects: [{ Key: at.Key }] } }).promise()
    },
  },
  {
    client: 'minio-js',
    what: 'objects in parts, ranges, lists, presigned',
    run: async () => {
      const { Client } = load('minio', 'minio')
      const { hostname, port } = new URL(endpoint)
      const keys = { accessKey: accessKeyId, secretKey: secretAccessKey }
      const at = { endPoint: hostname, port: Number(port), useSSL: false, region }
      const client = new Client({ ...at, ...keys, partSize: 5 * 1024 ** 2 })
      const data = blob(11 * 1024 ** 2)
      await client.putObject(bucket, 'minio-js/a', Readable.from([data]), data.length)
      assert((await buffer(await client.getObject(bucket, 'minio-js/a'))).equals(data))
      const part = await buffer(await client.getPartialObject(bucket, 'minio-js/a', 7, 9))
      assert(part.equals(data.subarray(7, 16)))
      const url = await client.presignedGetObject(bucket, 'minio-js/a', 60)
      assert.equal((await fetch(url)).status, 200)
      const names = []
      for await (const one of client.listObjectsV2(bucket, 'minio-js/', true)) names.push(one.name)
      assert.deepEqual(names, ['minio-js/a'])
      await client.removeObjects(bucket, names)
    },
  },
]

for (const { client, what, run } of CHECKS) {
  if (client !== chosen) continue
  let said = ''
  try {
    await run()
  } catch (error) {
    said = String(error?.stack ?? error)
      .replaceAll(/\s+/g, ' ')
      .slice(0, 400)
  }
  process.stdout.write(`${JSON.stringify({ client, what, said })}\n`)
}
