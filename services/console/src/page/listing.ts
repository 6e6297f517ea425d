import type { BucketAddress } from '@forebay/client/address'
import type { ListedObject } from '@forebay/client/objects'
import { useEffect, useRef, useState } from 'preact/hooks'
import { messageOf } from './load.ts'
import type { Session } from './session.ts'

/** Names that one page of the table adds. */
export const PAGE_ROWS = 100

/** Rows that the table holds at most: further ones are found by a longer prefix. */
export const ROWS_MAX = 5000

interface Wanted {
  readonly session: Session
  readonly bucket: BucketAddress
  readonly prefix: string
  readonly cachedOnly: boolean
  /** Another number: ask again. */
  readonly version: number
}

/** What was listed so far. */
export interface Listing {
  readonly objects: readonly ListedObject[]
  readonly busy: boolean
  readonly failure: string | undefined
  /** Gets the next page; undefined at the end. */
  readonly more: (() => void) | undefined
}

interface State {
  readonly objects: readonly ListedObject[]
  readonly busy: boolean
  readonly ended: boolean
  readonly failure: string | undefined
}

const EMPTY: State = { objects: [], busy: true, ended: false, failure: undefined }

/** One level of a bucket, page by page. */
export function useListing({ session, bucket, prefix, cachedOnly, version }: Wanted): Listing {
  const [state, setState] = useState(EMPTY)
  const next = useRef<() => void>(() => undefined)
  const about = JSON.stringify([bucket, prefix, cachedOnly, version])
  useEffect(() => {
    const stop = new AbortController()
    const names = session.client.objects.list(bucket, {
      prefix,
      flat: true,
      cached: cachedOnly,
      pageSize: PAGE_ROWS,
      signal: stop.signal,
    })
    let held = EMPTY
    const show = (state: State): void => {
      held = state
      if (!stop.signal.aborted) setState(state)
    }
    next.current = () => {
      show({ ...held, busy: true })
      takePage(names)
        .then(({ page, ended }) => {
          const objects = [...held.objects, ...page]
          show({ ...held, objects, busy: false, ended: ended || objects.length >= ROWS_MAX })
        })
        .catch((error: unknown) =>
          show({ ...held, busy: false, ended: true, failure: messageOf(error) }),
        )
    }
    show(EMPTY)
    next.current()
    return () => stop.abort()
  }, [session, about])
  const { objects, busy, ended, failure } = state
  return { objects, busy, failure, more: ended ? undefined : () => next.current() }
}

async function takePage(
  names: AsyncGenerator<ListedObject>,
): Promise<{ readonly page: readonly ListedObject[]; readonly ended: boolean }> {
  const page: ListedObject[] = []
  while (page.length < PAGE_ROWS) {
    const { value, done } = await names.next()
    if (done === true) return { page, ended: true }
    page.push(value)
  }
  return { page, ended: false }
}
