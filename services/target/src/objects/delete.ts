import { Failure } from '@forebay/base/failure'
import { formatBucket } from '@forebay/model/bucket'
import { isUnconditional } from '@forebay/model/conditions'
import type { DeleteRequest } from '@forebay/peer/target-port'
import { commitAtBackend } from './commit-at-backend.ts'
import { checkWritable, keyIdOf, mutationsOf, type ObjectContext, raiseKey } from './context.ts'
import { checkGuard, guardedConditions } from './guard.ts'
import { checkConditions } from './write.ts'

/** Deletes an object, at the backend first. An object that is not there is no failure. */
export async function deleteObject(
  context: ObjectContext,
  request: DeleteRequest,
): Promise<{ readonly existed: boolean | undefined }> {
  const { bucket, key } = request
  checkWritable(context, bucket)
  if (bucket.backend === undefined) return deleteNative(context, request)
  const mutations = mutationsOf(context, bucket)
  const conditions = guardedConditions(context, request, 'delete')
  const ticket = context.overlaps.begin(keyIdOf(bucket, key))
  try {
    await commitAtBackend(context, request, {
      // Once the request may have reached the backend, the client's leaving does not end the wait.
      mutate: () => mutations.delete({ key, conditions, signal: new AbortController().signal }),
      install: async (_, settle) => {
        await context.store.remove(bucket.id, key, { sync: false, settle, why: 'delete' })
      },
    })
    return { existed: undefined }
  } finally {
    ticket.end()
  }
}

async function deleteNative(
  context: ObjectContext,
  request: DeleteRequest,
): Promise<{ readonly existed: boolean }> {
  const { bucket, key } = request
  return context.locks.hold(keyIdOf(bucket, key), async () => {
    if (!isUnconditional(request.conditions)) checkConditions(context, request)
    await checkGuard(context, request)
    const options = {
      sync: context.propertiesOf(bucket).syncWrites,
      settle: false,
      why: 'delete' as const,
    }
    return { existed: await context.store.remove(bucket.id, key, options) }
  })
}

/** Removes the local copy of an object that its backend keeps. @returns false when there was none. */
export async function evictObject(
  context: ObjectContext,
  request: DeleteRequest,
): Promise<boolean> {
  const { bucket, key } = request
  if (bucket.backend === undefined) {
    throw new Failure(
      'bucket-not-remote',
      `${formatBucket(bucket.ref)} has no backend: its objects exist only here`,
      {
        hint: 'use rm to delete an object',
      },
    )
  }
  // What was read to its end counts as cached, also in the moment before it is.
  await context.fills.publication(keyIdOf(bucket, key))
  return context.locks.hold(keyIdOf(bucket, key), async () => {
    if (!isCachedVersion(context, request)) return false
    request.guard?.check?.()
    raiseKey(context, keyIdOf(bucket, key))
    return context.store.remove(bucket.id, key, { sync: false, settle: false, why: 'evict' })
  })
}

/** True where no version is named, or the one that is cached is it. */
function isCachedVersion(context: ObjectContext, { bucket, key, guard }: DeleteRequest): boolean {
  if (guard?.version === undefined || guard.version === 'absent') return true
  const held = context.store.get(bucket.id, key)?.attributes
  const { etag, lastModifiedMs } = guard.version
  return held?.etag === etag && held.lastModifiedMs === lastModifiedMs
}
