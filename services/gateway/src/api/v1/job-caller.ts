import { namesOf } from '../../authentication/authorise.ts'
import type { JobCaller } from '../../jobs/job-caller.ts'
import type { Exchange } from './exchange.ts'

/** Who makes this request, as the jobs see it. */
export function jobCallerOf(exchange: Exchange): JobCaller {
  const { context, raw } = exchange
  return {
    user: context.userOf?.(raw),
    may: (need, bucket) => {
      if (bucket === undefined) return context.allows(raw, need)
      const record = context.buckets.find(bucket)
      const names = record === undefined ? [bucket.name] : namesOf(record)
      return names.some((name) => context.allows(raw, need, name))
    },
    open: async (wanted, need) => {
      exchange.bucket = {
        provider: wanted.provider ?? 'ais',
        namespace: wanted.namespace,
        name: wanted.name,
      }
      const record = await context.resolveBucket(
        { ...wanted, need, lookUp: true },
        raw,
        exchange.signal,
      )
      exchange.bucket = record.ref
      return record
    },
  }
}
