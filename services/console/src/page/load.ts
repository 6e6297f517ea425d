import { useEffect, useState } from 'preact/hooks'

/** Something that is being asked for. */
export type Loaded<T> =
  | { readonly kind: 'loading' }
  | { readonly kind: 'ready'; readonly value: T }
  | { readonly kind: 'failed'; readonly message: string }

/**
 * Asks when the component appears and whenever `about` changes; what was asked before is given up.
 *
 * @param about names what is asked for: the same text, the same answer
 */
export function useLoad<T>(about: string, ask: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>({ kind: 'loading' })
  useEffect(() => {
    const stop = new AbortController()
    setLoaded({ kind: 'loading' })
    void ask(stop.signal)
      .then((value): Loaded<T> => ({ kind: 'ready', value }))
      .catch((error: unknown): Loaded<T> => ({ kind: 'failed', message: messageOf(error) }))
      .then((next) => {
        if (!stop.signal.aborted) setLoaded(next)
      })
    return () => stop.abort()
  }, [about])
  return loaded
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
