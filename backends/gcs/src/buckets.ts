import type { BucketInfo } from '@forebay/backend-port/backend'
import { Failure, isFailure } from '@forebay/base/failure'
import { isVagueAbsence, refusalOf } from './classify-error.ts'
import {
  type Connection,
  describe,
  type GcsRequest,
  type Place,
  resourcePath,
  sendRequest,
} from './connection.ts'
import { dateMsOf, isRecord, parseDocument, textOf } from './object-resource.ts'

/** A document of the JSON API that is no object has at most this many bytes. */
const DOCUMENT_BYTES_MAX = 8 * 1024 ** 2

/**
 * Sends a request whose answer is a document.
 *
 * @throws Failure as the answer means it
 */
export async function askDocument(
  connection: Connection,
  request: GcsRequest,
): Promise<Readonly<Record<string, unknown>>> {
  const answer = await sendRequest(connection, request)
  if (answer.status !== 200) throw await refusalOf(answer, request.what)
  return parseDocument(await answer.body.readText(DOCUMENT_BYTES_MAX), request.what)
}

/**
 * The bucket, `undefined` when there is none. Who may use objects may often not ask for the bucket
 * (`storage.buckets.get` is in no role for objects), so a page of names is an answer too.
 *
 * @throws Failure `backend-denied` when neither may be asked
 */
export async function lookupBucket(
  connection: Connection,
  name: string,
  signal: AbortSignal,
): Promise<BucketInfo | undefined> {
  const what = describe('lookup of', name)
  const ask = (below: string, query: Readonly<Record<string, string>>) => {
    const path = resourcePath(name) + below
    return askDocument(connection, { method: 'GET', path, query, signal, what })
  }
  try {
    const info = await ask('', { fields: 'name,timeCreated,location' }).catch(async (error) => {
      if (!isFailure(error, 'backend-denied')) throw error
      await ask('/o', { maxResults: '1', fields: 'kind' })
      return {}
    })
    return infoOf(info, name)
  } catch (error) {
    if (isFailure(error, 'bucket-not-found', 'object-not-found')) return undefined
    throw error
  }
}

/** A 404 that may mean either is the bucket's when there is no bucket. @throws Failure `bucket-not-found` */
export async function checkBucketOf(
  place: Place,
  failure: Failure,
  signal: AbortSignal,
): Promise<void> {
  if (!isVagueAbsence(failure)) return
  const { connection, bucket } = place
  // Who may not ask is told what was said of the object.
  const found = await lookupBucket(connection, bucket, signal).catch((error: unknown) => {
    if (isFailure(error, 'backend-denied')) return 'unknown' as const
    throw error
  })
  if (found === undefined) {
    throw new Failure('bucket-not-found', failure.message, { facts: failure.facts })
  }
}

/** Pages of buckets that are followed, of 1,000 each. */
const BUCKET_PAGES_MAX = 100

/** Every bucket of the project. @throws Failure `backend-refused` when no project is known */
export async function listBuckets(
  connection: Connection,
  signal: AbortSignal,
): Promise<readonly BucketInfo[]> {
  const project = connection.projectId ?? (await connection.tokens.projectId(signal))
  if (project === undefined) {
    throw new Failure('backend-refused', 'buckets are listed by project, and none is known', {
      hint: 'set the project of the backend',
    })
  }
  const buckets: BucketInfo[] = []
  let pageToken: string | undefined
  for (let page = 0; page < BUCKET_PAGES_MAX; page++) {
    const fields = 'nextPageToken,items(name,timeCreated,location)'
    const answer = await askDocument(connection, {
      method: 'GET',
      path: '/storage/v1/b',
      query: { project, maxResults: '1000', pageToken, fields },
      signal,
      what: `list of buckets of ${project}`,
    })
    const items = Array.isArray(answer['items']) ? answer['items'] : []
    for (const item of items) if (isRecord(item)) buckets.push(infoOf(item, ''))
    pageToken = textOf(answer['nextPageToken'])
    if (pageToken === undefined || pageToken === '') break
  }
  return buckets
}

function infoOf(document: Readonly<Record<string, unknown>>, name: string): BucketInfo {
  return {
    name: textOf(document['name']) ?? name,
    createdMs: dateMsOf(document['timeCreated']),
    region: textOf(document['location'])?.toLowerCase(),
  }
}
