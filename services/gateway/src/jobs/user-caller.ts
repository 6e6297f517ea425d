import { Failure, isFailure } from '@forebay/base/failure'
import type { BucketTable } from '@forebay/control/bucket-table'
import { mayDo, namesOf } from '../authentication/authorise.ts'
import { type Identity, OPEN, type User } from '../authentication/identity.ts'
import type { BucketResolver } from '../buckets/resolve-bucket.ts'
import type { JobCaller } from './job-caller.ts'

/** Longest look for a bucket that no request waits for, milliseconds. */
const LOOK_UP_MS = 10_000

export interface UserCallers {
  readonly mode: 'open' | 'users'
  readonly users: readonly User[]
  readonly table: BucketTable
  readonly resolver: BucketResolver
}

/**
 * A user while no request of theirs is there: for what the clock orders in their name. One who is not
 * known any more may do nothing; one with several keys may do what one of them may.
 *
 * @param user id; absent where it was ordered in open mode
 */
export function callerOfUser(user: string | undefined, callers: UserCallers): JobCaller {
  const { table, resolver } = callers
  const identities = identitiesOf(user, callers)
  return {
    user,
    may: (need, bucket) => {
      const record = bucket === undefined ? undefined : table.find(bucket)
      const names = record === undefined ? bucket && [bucket.name] : namesOf(record)
      return identities.some((identity) => mayDo(identity, need, names))
    },
    open: async (wanted, permission) => {
      const late = new AbortController()
      const timer = setTimeout(() => late.abort(tooSlow(wanted.name)), LOOK_UP_MS)
      try {
        for (const identity of identities) {
          const bucket = await resolver
            .resolve({ ...wanted, permission, identity, lookUp: true }, late.signal)
            .catch(noneIfDenied)
          if (bucket !== undefined) return bucket
        }
      } finally {
        clearTimeout(timer)
      }
      throw new Failure('access-denied', 'access denied')
    },
  }
}

/** Another key of the user may be allowed more. */
function noneIfDenied(error: unknown): undefined {
  if (!isFailure(error, 'access-denied')) throw error
}

function tooSlow(bucket: string): Failure {
  return new Failure('backend-unreachable', `bucket ${bucket} was not found in ${LOOK_UP_MS} ms`)
}

function identitiesOf(user: string | undefined, { mode, users }: UserCallers): readonly Identity[] {
  if (mode === 'open') return [OPEN]
  return users.filter(({ id }) => id === user).map((one) => ({ kind: 'user', user: one }))
}
