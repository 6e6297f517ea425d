import type { NodeReport } from '@forebay/client/client'
import { ForebayError } from '@forebay/client/forebay-error'
import { MetricsText } from '@forebay/observe/metrics-text'
import { createContext } from 'preact'
import { useContext, useEffect, useState } from 'preact/hooks'
import { type History, NO_HISTORY, withScrape } from './history.ts'
import type { Session } from './session.ts'

/** Time between two looks at the node, ms; none while the page is hidden. */
const POLL_MS = 2000

/** What the node said last, and how its traffic went since the console was opened. */
export interface Live {
  readonly report: NodeReport | undefined
  readonly history: History
  /** Why the node could not be asked; undefined when it answered. */
  readonly failure: string | undefined
  /** Metrics are for administrators: false where the user is none. */
  readonly seesMetrics: boolean
}

const NOTHING: Live = {
  report: undefined,
  history: NO_HISTORY,
  failure: undefined,
  seesMetrics: true,
}

export const LiveContext = createContext<Live>(NOTHING)

/** What the node said last. */
export function useLive(): Live {
  return useContext(LiveContext)
}

/** Asks the node again and again while the page is seen. */
export function usePolling(session: Session): Live {
  const [live, setLive] = useState(NOTHING)
  useEffect(() => {
    const stop = new AbortController()
    let held = NOTHING
    const poll = async (): Promise<void> => {
      if (document.hidden) return
      held = await look(session, held, stop.signal)
      if (!stop.signal.aborted) setLive(held)
    }
    let waiting = false
    const tick = (): void => {
      // A node that is slower than the clock is asked again only after it answered.
      if (waiting) return
      waiting = true
      void poll().finally(() => {
        waiting = false
      })
    }
    tick()
    const timer = setInterval(tick, POLL_MS)
    document.addEventListener('visibilitychange', tick)
    return () => {
      stop.abort()
      clearInterval(timer)
      document.removeEventListener('visibilitychange', tick)
    }
  }, [session])
  return live
}

/** One look. It never rejects: what went wrong is part of what is shown. */
async function look(session: Session, before: Live, signal: AbortSignal): Promise<Live> {
  try {
    const report = await session.client.status({ signal })
    const text = before.seesMetrics ? await metricsOf(session, signal) : undefined
    const history =
      text === undefined
        ? before.history
        : withScrape(before.history, { atMs: Date.now(), metrics: new MetricsText(text) })
    return { report, history, failure: undefined, seesMetrics: text !== undefined }
  } catch (error) {
    return { ...before, failure: error instanceof Error ? error.message : String(error) }
  }
}

async function metricsOf(session: Session, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await session.client.metrics({ signal })
  } catch (error) {
    if (error instanceof ForebayError && error.status === 403) return undefined
    throw error
  }
}
