import type { S3Credentials } from '../testkit/servers.ts'

/** Where a client is sent, and as whom. */
export type Endpoint = S3Credentials & { readonly url: string }

export const REGION = 'us-east-1'

export type ListedKey = { readonly key: string; readonly sizeBytes: number }
export type Digest = { readonly sizeBytes: number; readonly sha256: string }

/** What an S3 client of the field does for its users. Each adapter runs the unmodified client. */
export type Client = {
  readonly name: string
  readonly list: (prefix: string) => Promise<readonly ListedKey[]>
  /** Reads whole objects; what was received is hashed by key. */
  readonly read: (keys: readonly string[]) => Promise<Readonly<Record<string, Digest>>>
  readonly write: (path: string, key: string) => Promise<void>
  readonly copy: (source: string, target: string) => Promise<void>
  readonly remove: (key: string) => Promise<void>
}

/** Environment by which the AWS tools find endpoint and credentials. */
export function awsEnvironment(endpoint: Endpoint): Readonly<Record<string, string>> {
  return {
    AWS_ACCESS_KEY_ID: endpoint.accessKey,
    AWS_SECRET_ACCESS_KEY: endpoint.secretKey,
    AWS_DEFAULT_REGION: REGION,
    AWS_ENDPOINT_URL: endpoint.url,
  }
}
