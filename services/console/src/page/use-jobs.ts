import type { JobEvent } from '@forebay/client/jobs'
import { useEffect, useState } from 'preact/hooks'
import { JOBS_SHOWN_MAX, type JobBoard, NO_JOBS, withEvent, withList } from './job-board.ts'
import { messageOf } from './load.ts'
import type { Session } from './session.ts'

/** Pause before a stream that ended is opened again, ms. */
const REOPEN_MS = 2000

export interface LiveJobs {
  readonly board: JobBoard
  /** False until the node answered for the first time. */
  readonly known: boolean
  /** Why the node cannot be asked; undefined while it answers. */
  readonly failure: string | undefined
  /** For what the page did itself: it is told before the stream tells it. */
  readonly note: (event: JobEvent) => void
}

/** The jobs of the node as they are: a list, then every change, as long as the component is there. */
export function useJobs(session: Session): LiveJobs {
  const [board, setBoard] = useState(NO_JOBS)
  const [known, setKnown] = useState(false)
  const [failure, setFailure] = useState<string | undefined>(undefined)
  const note = (event: JobEvent): void => setBoard((before) => withEvent(before, event))
  useEffect(() => {
    const stop = new AbortController()
    const { signal } = stop
    const follow = async (): Promise<void> => {
      const { jobs } = session.client
      while (!signal.aborted) {
        try {
          for await (const event of jobs.watch({ signal })) {
            if (event.kind !== 'open') note(event)
            else {
              const listed = await jobs.list({ max: JOBS_SHOWN_MAX, signal })
              setBoard(withList(NO_JOBS, listed))
              setKnown(true)
              setFailure(undefined)
            }
          }
        } catch (error) {
          if (!signal.aborted) setFailure(messageOf(error))
        }
        await new Promise((resolve) => setTimeout(resolve, REOPEN_MS))
      }
    }
    void follow()
    return () => stop.abort()
  }, [session])
  return { board, known, failure, note }
}
