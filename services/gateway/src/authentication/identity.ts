import type { IncomingMessage } from 'node:http'

/** What a user may do: `admin` also manages buckets and the node, and may use every bucket. */
export type Policy = 'readonly' | 'readwrite' | 'admin'

/** A user and one pair of keys (setting `auth.users`). */
export interface User {
  readonly id: string
  readonly displayName?: string | undefined
  readonly accessKey: string
  readonly secretKey: string
  readonly policy: Policy
  /** Patterns of bucket names: `*` any characters, `?` one. */
  readonly buckets: readonly string[]
}

/** Who makes a request, as far as it is known for certain. */
export type Identity =
  /** There are no users: everybody may do everything, whatever was signed. */
  | { readonly kind: 'open' }
  | { readonly kind: 'user'; readonly user: User }
  /** Nobody: for what is public, such as the health of the node. */
  | { readonly kind: 'nobody' }

export const OPEN: Identity = Object.freeze({ kind: 'open' })
export const NOBODY: Identity = Object.freeze({ kind: 'nobody' })

const identities = new WeakMap<IncomingMessage, Identity>()

/** Notes who makes a request, for doors that get it through another router. */
export function rememberIdentity(request: IncomingMessage, identity: Identity): void {
  identities.set(request, identity)
}

/** Who makes a request; `nobody` when nobody authenticated it. */
export function identityOf(request: IncomingMessage): Identity {
  return identities.get(request) ?? NOBODY
}
