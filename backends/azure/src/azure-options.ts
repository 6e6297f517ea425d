import { isIP } from 'node:net'
import type { AddressGuard } from '@forebay/backend-transport/address-guard'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'

/** Who asks. Secrets stand in no message and no log. */
export type AzureCredentials =
  /** The vendor's search: environment, workload and managed identity, `az login`. */
  | { readonly kind: 'chain' }
  /** The key of the account, base64. */
  | { readonly kind: 'shared-key'; readonly key: string }
  /** A shared access signature: `sv=...&sig=...`, with or without `?`. */
  | { readonly kind: 'sas'; readonly token: string }
  | { readonly kind: 'bearer'; readonly source: TokenSource }
  /** Public containers only. */
  | { readonly kind: 'anonymous' }

/** Where access tokens come from; credentials of `@azure/identity` fit. */
export interface TokenSource {
  /** `expiresOnTimestamp` in milliseconds since 1970; `null` where there is no token. */
  getToken(
    scope: string,
  ): Promise<{ readonly token: string; readonly expiresOnTimestamp: number } | null>
}

/** How an account of Azure Blob Storage is reached. */
export interface AzureOptions {
  /** Storage account. Needed with a key; else it may follow from the endpoint. */
  readonly account?: string | undefined
  /**
   * `http(s)://host[:port][/path]` of the blob service; absent: that of the account in Azure. The
   * account is added as path where the host is an address or `localhost`, as emulators have it.
   */
  readonly endpoint?: string | undefined
  /**
   * True for an endpoint that a user named, not the operator. Tokens and shared access signatures can
   * be used by whoever sees them, so such an endpoint gets them only where it is Azure's own.
   */
  readonly foreignEndpoint?: boolean | undefined
  /** As the portal shows it; what stands in the other fields comes before. */
  readonly connectionString?: string | undefined
  /** Default: what the connection string has, else `chain`. */
  readonly credentials?: AzureCredentials | undefined
  /** Stands in `Forebay-Via` of every request, so that a loop is seen. */
  readonly nodeId: string
  readonly clock: Clock
  /** Milliseconds a connection may take to open. Default 5,000. */
  readonly connectTimeoutMs?: number | undefined
  /** Certificate authorities to trust instead of the system's, PEM. */
  readonly ca?: string | undefined
  /** Decides which addresses may be connected to; absent: all. */
  readonly guard?: AddressGuard | undefined
  /** Largest body that goes out in one request, bytes. Default 256 MiB. */
  readonly singlePutBytesMax?: number | undefined
  /** Bytes of a block of larger bodies. Default 64 MiB, more where the blocks would be too many. */
  readonly blockBytes?: number | undefined
}

/** Who and where, once all fields are put together. */
export interface AzureAddress {
  readonly account: string
  /** Without a slash at its end. */
  readonly origin: string
  /** Path before the container: empty, or `/account`. */
  readonly basePath: string
  readonly credentials: AzureCredentials
}

/**
 * @throws Failure `backend-refused` when the options do not say which account is meant,
 * `setting-invalid` when what they say is no address,
 * `backend-denied` for a foreign endpoint that may not have the credentials
 */
export function resolveAddress(options: AzureOptions): AzureAddress {
  const known = parseConnectionString(options.connectionString)
  const endpoint = options.endpoint ?? known.endpoint
  const named = options.account ?? known.account
  const url = parseEndpoint(endpoint ?? (named && `https://${named}.blob.core.windows.net`))
  const emulated = isIP(url.hostname.replace(/^\[|\]$/g, '')) > 0 || url.hostname === 'localhost'
  const path = url.pathname.replace(/\/+$/, '')
  const account = named ?? (emulated ? path.slice(1) : url.hostname.split('.', 1)[0]) ?? ''
  if (account === '') throw unknownAccount('the storage account is not known')
  const credentials = options.credentials ?? known.credentials ?? { kind: 'chain' }
  if (options.foreignEndpoint === true) checkForeign(url, credentials)
  const basePath = path === '' && emulated ? `/${account}` : path
  return { account, origin: url.origin, basePath, credentials }
}

/** Blob services of Azure and its national clouds, with and without a DNS zone of their own. */
const AZURE_HOST =
  /\.blob\.(core\.(windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)|storage\.azure\.net)$/

/**
 * What an endpoint is sent, it can use at the account itself: tokens as they are, and requests signed
 * with a key for a quarter of an hour, because the signature does not cover the host.
 */
function checkForeign({ hostname, protocol }: URL, { kind }: AzureCredentials): void {
  if (kind === 'anonymous') return
  if (protocol === 'https:' && AZURE_HOST.test(hostname)) return
  const message = `the credentials of this node are not sent to the endpoint ${hostname}`
  throw new Failure('backend-denied', message, {
    hint: 'set backends.azure.endpoint to it',
  })
}

function parseEndpoint(text: string | undefined): URL {
  if (text === undefined) {
    throw unknownAccount('neither a storage account nor an endpoint is known')
  }
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '') {
    // The text may hold a signature, so it is not repeated.
    throw invalid('the endpoint of the blob service is no http or https URL without a query')
  }
  return url
}

interface Known {
  readonly account?: string | undefined
  readonly endpoint?: string | undefined
  readonly credentials?: AzureCredentials | undefined
}

/** Well-known account of the emulator; its key is public (Azurite, "Default storage account"). */
const EMULATOR = {
  account: 'devstoreaccount1',
  endpoint: 'http://127.0.0.1:10000/devstoreaccount1',
  key: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
} as const

/** Fields of a connection string, joined by `;`; values may contain `=`. */
export function parseConnectionString(text: string | undefined): Known {
  if (text === undefined) return {}
  const fields = new Map<string, string>()
  for (const field of text.split(';')) {
    const at = field.indexOf('=')
    if (at > 0) fields.set(field.slice(0, at).trim().toLowerCase(), field.slice(at + 1).trim())
  }
  if (fields.get('usedevelopmentstorage') === 'true') {
    const { account, endpoint, key } = EMULATOR
    return { account, endpoint, credentials: { kind: 'shared-key', key } }
  }
  const account = fields.get('accountname')
  const protocol = fields.get('defaultendpointsprotocol') ?? 'https'
  const suffix = fields.get('endpointsuffix') ?? 'core.windows.net'
  const endpoint =
    fields.get('blobendpoint') ?? (account && `${protocol}://${account}.blob.${suffix}`)
  if (endpoint === undefined) {
    throw invalid('the connection string has neither AccountName nor BlobEndpoint')
  }
  const key = fields.get('accountkey')
  const token = fields.get('sharedaccesssignature')
  if (key !== undefined) return { account, endpoint, credentials: { kind: 'shared-key', key } }
  return {
    account,
    endpoint,
    ...(token === undefined ? {} : { credentials: { kind: 'sas', token } }),
  }
}

/** Nobody said which account a bucket belongs to: the request cannot be served, the node is well. */
function unknownAccount(message: string): Failure {
  return new Failure('backend-refused', message, {
    hint: 'set backends.azure.account or backends.azure.endpoint',
  })
}

function invalid(message: string): Failure {
  return new Failure('setting-invalid', message, {
    hint: 'set backends.azure.account or backends.azure.endpoint',
  })
}
