/** What jobs are measured against: workers that use the SDK as its documentation shows it. */
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { serveOrders } from './helper-process.ts'

export type SdkOrder = {
  readonly endpoint: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  readonly workers: number
  readonly bucket: string
  readonly keys: readonly string[]
  /** Absent: objects are read and forgotten. */
  readonly copyTo?: { readonly bucket: string; readonly prepend: string } | undefined
  /** Objects of so many bytes are written instead, where they are not to be read. */
  readonly makeBytes?: number | undefined
}

let client: { readonly endpoint: string; readonly s3: S3Client } | undefined

serveOrders<SdkOrder>(async (order) => {
  const s3 = clientOf(order)
  let next = 0
  const work = async (): Promise<void> => {
    for (let at = next++; at < order.keys.length; at = next++) {
      await doOne(s3, order, order.keys[at] ?? '')
    }
  }
  await Promise.all(Array.from({ length: order.workers }, work))
})

/** One for all orders to the same store: its connections stay, as a node's do. */
function clientOf({ endpoint, credentials, workers }: SdkOrder): S3Client {
  if (client?.endpoint === endpoint) return client.s3
  const s3 = new S3Client({
    ...{ endpoint, credentials, region: 'us-east-1', forcePathStyle: true },
    requestHandler: { httpAgent: { keepAlive: true, maxSockets: workers } },
  })
  client = { endpoint, s3 }
  return s3
}

async function doOne(s3: S3Client, order: SdkOrder, key: string): Promise<void> {
  const { bucket, copyTo, makeBytes } = order
  if (makeBytes !== undefined) {
    const Body = Buffer.alloc(makeBytes, `${key} `)
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body }))
    return
  }
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
  if (!(Body instanceof Readable)) throw new Error(`${key} has no body`)
  if (copyTo === undefined) {
    Body.resume()
    await once(Body, 'end')
    return
  }
  const bytes = await Body.transformToByteArray()
  const where = { Bucket: copyTo.bucket, Key: `${copyTo.prepend}${key}` }
  await s3.send(new PutObjectCommand({ ...where, Body: bytes }))
}
