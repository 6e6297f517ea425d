import type { BlobServiceClient, StoragePipelineOptions } from '@azure/storage-blob'
import { Failure } from '@forebay/base/failure'
import { refusalOf } from './classify-error.ts'
import { type Connection, sendRequest } from './connection.ts'

/**
 * The vendor's SDK, for what is answered by XML. It makes requests and reads documents; they travel as
 * all others do, over our connections and with our credentials.
 */
export async function callSdk<T>(
  connection: Connection,
  what: string,
  call: {
    readonly signal: AbortSignal
    send(service: BlobServiceClient): Promise<T>
  },
): Promise<T> {
  const { signal } = call
  signal.throwIfAborted()
  const service = await openService(connection, { what, signal })
  try {
    return await call.send(service)
  } catch (error) {
    if (signal.aborted) throw signal.reason
    if (error instanceof Failure) throw error
    throw new Failure('backend-corrupt', `${what}: the answer cannot be read`, { cause: error })
  }
}

type SdkHttpClient = NonNullable<StoragePipelineOptions['httpClient']>
type SdkRequest = Parameters<SdkHttpClient['sendRequest']>[0]
type SdkAnswer = Awaited<ReturnType<SdkHttpClient['sendRequest']>>

interface SdkCall {
  readonly what: string
  readonly signal: AbortSignal
}

/** The SDK takes a while to load, so it is loaded by the first who needs it. */
async function openService(connection: Connection, call: SdkCall): Promise<BlobServiceClient> {
  const { AnonymousCredential, BlobServiceClient } = await import('@azure/storage-blob')
  const { origin, basePath } = connection.address
  return new BlobServiceClient(`${origin}${basePath}`, new AnonymousCredential(), {
    // Retries are the wrappers', with one budget for everything.
    retryOptions: { maxTries: 1 },
    httpClient: { sendRequest: (request) => ask(connection, request, call) },
  })
}

/** Documents are read up to here: 5,000 names of 1,024 characters, encoded, with their properties. */
const DOCUMENT_BYTES_MAX = 64 * 1024 ** 2

async function ask(
  connection: Connection,
  request: SdkRequest,
  { what, signal }: SdkCall,
): Promise<SdkAnswer> {
  const url = new URL(request.url)
  const answer = await sendRequest(connection, {
    method: 'GET',
    target: `${url.pathname}${url.search}`.slice(connection.address.basePath.length),
    headers: { accept: 'application/xml' },
    what,
    signal,
  })
  if (answer.status !== 200) throw await refusalOf(answer, what)
  const text = await answer.body.readText(DOCUMENT_BYTES_MAX)
  const headers = request.headers.clone()
  for (const name of headers.headerNames()) headers.remove(name)
  headers.set('content-type', 'application/xml')
  // Azure begins documents with a byte order mark.
  return { request, status: answer.status, headers, bodyAsText: text.replace(/^\ufeff/, '') }
}
