import type { BucketAddress } from '@forebay/client/address'
import type { Explanation, ListedObject } from '@forebay/client/objects'
import { useEffect, useRef, useState } from 'preact/hooks'
import { spanText } from './format.ts'
import type { Session } from './session.ts'

/** Objects that are asked about at the same time. */
const ASKED_MAX = 6

/** How much of an object is here, and whether it would be served without asking the origin. */
export interface CachedShare {
  /** 0..1. */
  readonly share: number
  /** In words. */
  readonly freshness: string
}

interface Wanted {
  readonly session: Session
  readonly bucket: BucketAddress
  readonly objects: readonly ListedObject[]
  /** Another number: ask again. */
  readonly version: number
}

/** What is known so far about the listed objects, by their keys; it grows while answers come. */
export function useCachedShares(wanted: Wanted): ReadonlyMap<string, CachedShare> {
  const { session, bucket, objects, version } = wanted
  const [shares, setShares] = useState<ReadonlyMap<string, CachedShare>>(new Map())
  const known = useRef({ version, shares })
  useEffect(() => {
    const stop = new AbortController()
    // A further page of the listing asks only about its own rows.
    const before = known.current.version === version ? known.current.shares : undefined
    const found = new Map<string, CachedShare>()
    const asked: string[] = []
    for (const { key, directory } of objects) {
      const share = before?.get(key)
      if (share !== undefined) found.set(key, share)
      else if (!directory) asked.push(key)
    }
    const queue = asked.values()
    const work = async (): Promise<void> => {
      for (const key of queue) {
        if (stop.signal.aborted) return
        try {
          const object = { bucket, key }
          const explained = await session.client.objects.explain(object, { signal: stop.signal })
          found.set(key, shareOf(explained))
        } catch {
          // The row keeps its dash; the dialog of the object says why.
        }
      }
    }
    void Promise.all(Array.from({ length: ASKED_MAX }, work)).then(() => {
      if (stop.signal.aborted) return
      known.current = { version, shares: found }
      setShares(found)
    })
    return () => stop.abort()
  }, [session, objects, version])
  return shares
}

/** What an explanation says, short enough for a row of a table. */
export function shareOf({ state, fields }: Explanation): CachedShare {
  const size = numberOf(fields['sizeBytes'])
  const cached = numberOf(fields['cachedBytes'])
  const isWhole = state === 'whole'
  const share = isWhole || size === 0 ? Number(isWhole) : Math.min(1, cached / size)
  return { share, freshness: freshnessOf(state, fields) }
}

function freshnessOf(state: string, fields: Explanation['fields']): string {
  if (state === 'absent') return 'not here'
  if (state === 'filling') return 'being fetched'
  if (fields['unsettled'] === true) return 'unsettled'
  if (fields['fresh'] !== true) return 'stale'
  const seconds = fields['freshForSeconds']
  return typeof seconds === 'number' ? `fresh for ${spanText(seconds)}` : 'current'
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0
}
