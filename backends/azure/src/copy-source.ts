import type { CopyOptions } from '@forebay/backend-port/backend'
import type { Headers } from '@forebay/backend-transport/conditional-headers'
import type { ObjectAttributes } from '@forebay/model/object'
import { describe, objectPath, type Place } from './connection.ts'

/** One version of an object of the account, as the service reads it to copy it. */
export interface CopySource {
  readonly headers: Headers
}

/** How long the service may read a source that it is let to by a signature, ms. */
const SIGNATURE_MS = 60 * 60_000
/** Clocks may differ by this, ms. */
const SKEW_MS = 15 * 60_000

/**
 * The service asks for the source as anybody would, in the same account too: with a signature for this
 * one object, or with the token of the copy.
 */
export async function openCopySource(
  place: Place,
  options: CopyOptions,
  { etag }: ObjectAttributes,
): Promise<CopySource> {
  const { connection } = place
  const { sourceBucket, sourceKey, signal } = options
  const { origin, basePath } = connection.address
  const target = `${basePath}${objectPath(sourceBucket, sourceKey)}`
  const pinned = { 'x-ms-source-if-match': `"${etag}"` }
  const signature = await signatureFor(place, sourceBucket, sourceKey)
  if (signature !== undefined) {
    return { headers: { ...pinned, 'x-ms-copy-source': `${origin}${target}?${signature}` } }
  }
  const what = describe('source of a copy', sourceBucket, sourceKey)
  const parts = { method: 'GET', target, headers: {} }
  const proof = await connection.authorizer.authorize(parts, { what, signal })
  const { authorization } = proof.headers
  return {
    headers: {
      ...pinned,
      'x-ms-copy-source': `${origin}${proof.target}`,
      ...(authorization === undefined ? {} : { 'x-ms-copy-source-authorization': authorization }),
    },
  }
}

/** A shared access signature for one object, where the key of the account is known. */
async function signatureFor(
  { connection }: Place,
  containerName: string,
  blobName: string,
): Promise<string | undefined> {
  const { account, credentials } = connection.address
  if (credentials.kind !== 'shared-key') return undefined
  const { BlobSASPermissions, generateBlobSASQueryParameters, StorageSharedKeyCredential } =
    await import('@azure/storage-blob')
  const nowMs = connection.clock.now()
  const signature = generateBlobSASQueryParameters(
    {
      containerName,
      blobName,
      permissions: BlobSASPermissions.parse('r'),
      startsOn: new Date(nowMs - SKEW_MS),
      expiresOn: new Date(nowMs + SIGNATURE_MS),
    },
    new StorageSharedKeyCredential(account, credentials.key),
  )
  return signature.toString()
}
