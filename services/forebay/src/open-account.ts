import { openAzureAccount } from '@forebay/backend-azure/azure-backend'
import type { AzureCredentials } from '@forebay/backend-azure/azure-options'
import { openGcsAccount } from '@forebay/backend-gcs/gcs-backend'
import { openHttpAccount } from '@forebay/backend-http/http-backend'
import type { Backend } from '@forebay/backend-port/backend'
import { openS3Account } from '@forebay/backend-s3/s3-backend'
import { createAddressGuard } from '@forebay/backend-transport/address-guard'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import type { Settings } from '@forebay/config/schema'
import type { BackendBinding } from '@forebay/model/bucket'

/** Connections and credentials that the buckets of one account share. */
export interface Account {
  bucket(name: string): Backend
  close(): Promise<void>
}

/** A store may well have a private address, but none is a service that hands out credentials. */
const ENDPOINT_GUARD = createAddressGuard('any')

/** What accounts are opened with, besides what a bucket states itself. */
export interface AccountContext {
  readonly settings: Settings
  readonly nodeId: string
  readonly clock: Clock
  /** Region that the S3 vendor's own files and variables name. */
  readonly vendorRegion: string | undefined
}

/**
 * Opens the account of a bucket's backend; nothing is sent yet.
 *
 * @throws Failure `backend-refused` when the settings do not say which account is meant and for an
 * endpoint at an address that no store has, `setting-invalid`, `not-implemented`
 */
export function openAccount(binding: BackendBinding, context: AccountContext): Account {
  const { settings, nodeId, clock } = context
  const { connectTimeoutMs } = settings.backends.limits
  const common = { nodeId, clock, connectTimeoutMs }
  switch (binding.provider) {
    case 'aws':
      return openS3(binding, context)
    case 'gcp': {
      const { endpoint, credentialsFile, anonymous, userProject } = settings.backends.gcp
      const keyFile = credentialsFile === undefined ? undefined : { keyFile: credentialsFile }
      return openGcsAccount({
        ...common,
        guard: ENDPOINT_GUARD,
        endpoint: binding.endpoint ?? endpoint,
        foreignEndpoint: binding.endpoint !== undefined && binding.endpoint !== endpoint,
        credentials: anonymous ? 'anonymous' : keyFile,
        userProject,
      })
    }
    case 'azure': {
      const { account, endpoint, connectionString } = settings.backends.azure
      return openAzureAccount({
        ...common,
        account,
        connectionString,
        guard: ENDPOINT_GUARD,
        endpoint: binding.endpoint ?? endpoint,
        foreignEndpoint: binding.endpoint !== undefined && binding.endpoint !== endpoint,
        credentials: azureCredentials(settings),
      })
    }
    case 'http':
      return openHttpAccount({ ...common, allow: settings.backends.http.allow })
    case 'memory':
      throw new Failure('not-implemented', 'a backend in memory exists for tests only')
    default:
      return binding.provider satisfies never
  }
}

function openS3(binding: BackendBinding, context: AccountContext): Account {
  const { settings, nodeId, clock, vendorRegion } = context
  const { aws, limits } = settings.backends
  return openS3Account({
    guard: ENDPOINT_GUARD,
    endpoint: binding.endpoint ?? aws.endpoint,
    region: binding.region ?? aws.region ?? vendorRegion ?? 'us-east-1',
    profile: binding.profile ?? aws.profile,
    forcePathStyle: binding.forcePathStyle ?? aws.forcePathStyle,
    nodeId,
    clock,
    connectTimeoutMs: limits.connectTimeoutMs,
    uploadFraming: aws.uploadFraming,
  })
}

/** A key goes before a signature; without both the connection string or the vendor's chain is asked. */
function azureCredentials({ backends }: Settings): AzureCredentials | undefined {
  const { key, sasToken, anonymous } = backends.azure
  if (anonymous) return { kind: 'anonymous' }
  if (key !== undefined) return { kind: 'shared-key', key }
  if (sasToken !== undefined) return { kind: 'sas', token: sasToken }
  return undefined
}
