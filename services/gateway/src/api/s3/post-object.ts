import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import { checkKey } from '@forebay/model/key'
import type { Tags } from '@forebay/model/object'
import { parseChecksumHeader } from '@forebay/s3/checksum-headers'
import { parseStorageClass, parseStoredHeaders } from '@forebay/s3/object-headers'
import { checkPolicy, parsePolicy, sizesOf } from '@forebay/s3/post-policy'
import { requiredField } from '@forebay/s3/sigv4/verify-form'
import { parseTagging } from '@forebay/s3/tagging'
import { refuseUnsupportedHeaders } from '@forebay/s3/unsupported-headers'
import { xmlDocument, xmlElement } from '@forebay/s3/xml-write'
import type { Exchange, FlatHeaders } from './exchange.ts'
import type { FormUpload } from './form-upload.ts'

/**
 * PostObject: an upload by an HTML form. Whoever signed its policy, not whoever sends it, is asked
 * whether it may; the file goes the way of every other body.
 */
export async function postObject(exchange: Exchange, bucket: BucketRecord): Promise<void> {
  const { form } = exchange
  if (form === undefined) {
    throw new Failure('bad-request', 'a form is signed in its fields, not in its headers')
  }
  const { fields } = form
  if (requiredField(fields, 'key') === '') requiredField(new Map(), 'key')
  const key = checkKey(form.key())
  const policy = fields.get('policy')
  if (policy !== undefined) {
    const read = parsePolicy(policy)
    checkPolicy(read, fields, { nowMs: Date.now(), bucket: exchange.bucketName, key })
    form.limit(sizesOf(read))
  }
  refuseUnsupportedHeaders(exchange.headers)
  const checksum = parseChecksumHeader(exchange.headers)
  try {
    const { attributes, versionId } = await exchange.context.target.write({
      bucket,
      key,
      headers: parseStoredHeaders(exchange.headers),
      metadata: exchange.parseMetadata(),
      storageClass: parseStorageClass(exchange.headers),
      tags: parseTags(form),
      conditions: {},
      stated: checksum === undefined ? [] : [checksum],
      md5: true,
      body: form,
      signal: exchange.signal,
    })
    answer(exchange, { key, etag: attributes.etag, versionId })
  } finally {
    exchange.bytesIn = form.receivedBytes
  }
}

function parseTags({ fields }: FormUpload): Tags | undefined {
  const document = fields.get('tagging')
  return document === undefined || document === ''
    ? undefined
    : parseTagging(Buffer.from(document), 'object')
}

/** A redirect where the form names one, else the status that it asks for (S3 API). */
function answer(
  exchange: Exchange,
  stored: { readonly key: string; readonly etag: string; readonly versionId: string | undefined },
): void {
  const { key, etag, versionId } = stored
  const fields = exchange.form?.fields
  const location = exchange.locationOf(key)
  const flat: FlatHeaders = ['ETag', `"${etag}"`]
  if (versionId !== undefined) flat.push('x-amz-version-id', versionId)
  const redirect = redirectOf(fields?.get('success_action_redirect') ?? fields?.get('redirect'))
  if (redirect !== undefined) {
    redirect.searchParams.set('bucket', exchange.bucketName)
    redirect.searchParams.set('key', key)
    redirect.searchParams.set('etag', `"${etag}"`)
    flat.push('Location', redirect.href)
    exchange.sendEmpty(303, flat)
    return
  }
  flat.push('Location', location)
  const status = fields?.get('success_action_status')
  if (status === '201') {
    const content =
      xmlElement('Location', location) +
      xmlElement('Bucket', exchange.bucketName) +
      xmlElement('Key', key) +
      xmlElement('ETag', `"${etag}"`)
    exchange.sendXml(xmlDocument('PostResponse', content), flat, 201)
  } else {
    exchange.sendEmpty(status === '200' ? 200 : 204, flat)
  }
}

/** What is no address of the web is ignored, as S3 does. */
function redirectOf(text: string | undefined): URL | undefined {
  if (text === undefined || !URL.canParse(text)) return undefined
  const url = new URL(text)
  return url.protocol === 'https:' || url.protocol === 'http:' ? url : undefined
}
