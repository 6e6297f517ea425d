import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import type { Identity, User } from './identity.ts'
import { matchNames } from './name-pattern.ts'

/** What an operation needs to be allowed. */
export type Permission = 'read' | 'list' | 'write' | 'admin'

const matchers = new WeakMap<User, (name: string) => boolean>()

/**
 * True when the caller may do this at all, and to this bucket where one is named.
 *
 * @param names every name of the bucket: one that matches is enough, because only an admin gives names
 */
export function mayDo(
  identity: Identity,
  permission: Permission,
  names?: readonly string[],
): boolean {
  switch (identity.kind) {
    case 'open':
      return true
    case 'nobody':
      return false
    case 'user':
      return userMay(identity.user, permission, names)
    default:
      return identity satisfies never
  }
}

/** Every name under which a bucket is known. */
export function namesOf(bucket: BucketRecord): readonly string[] {
  return bucket.aliases.length === 0 ? [bucket.ref.name] : [bucket.ref.name, ...bucket.aliases]
}

/** @throws Failure `access-denied` */
export function requirePermission(
  identity: Identity,
  permission: Permission,
  names?: readonly string[],
): void {
  if (!mayDo(identity, permission, names)) throw new Failure('access-denied', 'access denied')
}

function userMay(user: User, permission: Permission, names?: readonly string[]): boolean {
  switch (user.policy) {
    case 'admin':
      return true
    case 'readwrite':
      return permission !== 'admin' && mayUse(user, names)
    case 'readonly':
      return (permission === 'read' || permission === 'list') && mayUse(user, names)
    default:
      return user.policy satisfies never
  }
}

function mayUse(user: User, names: readonly string[] | undefined): boolean {
  if (names === undefined) return true
  let matches = matchers.get(user)
  if (matches === undefined) {
    matches = matchNames(user.buckets)
    matchers.set(user, matches)
  }
  return names.some(matches)
}
