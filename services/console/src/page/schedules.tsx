import type { JobScheduleReport } from '@forebay/client/jobs'
import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { dateText, nameText } from './format.ts'
import { Card, type Column, Table } from './parts.tsx'
import type { Session } from './session.ts'

/** Time between two looks at the schedules, ms; none while the page is hidden. */
const POLL_MS = 10_000

/** Jobs that come by the clock, when they come next, and why the last time brought none. */
export function Schedules({ session }: { readonly session: Session }): ComponentChildren {
  const schedules = useSchedules(session)
  // Most nodes have none; then there is nothing to be said.
  if (schedules.length === 0) return null
  return (
    <Card title="By the clock">
      <Table
        caption="By the clock"
        rows={schedules}
        keyOf={({ id }) => id}
        empty=""
        columns={COLUMNS}
      />
    </Card>
  )
}

const COLUMNS: readonly Column<JobScheduleReport>[] = [
  {
    head: 'Schedule',
    cell: ({ id, cron, timeZone }) => (
      <>
        {nameText(id)}{' '}
        <small>
          {nameText(cron)} {nameText(timeZone)}
        </small>
      </>
    ),
  },
  { head: 'Orders', cell: ({ kind, bucket }) => `${nameText(kind)} ${nameText(bucket ?? '')}` },
  { head: 'Next', cell: ({ next }) => dateText(next) ?? 'never' },
  { head: 'Last job', cell: ({ lastJob }) => nameText(lastJob ?? '') },
  { head: 'Refused', cell: Refusal },
]

function Refusal({ lastError }: JobScheduleReport): ComponentChildren {
  if (lastError === undefined) return ''
  return (
    <>
      <span class="state down">{nameText(lastError.message)}</span>{' '}
      <small>{dateText(lastError.time)}</small>
    </>
  )
}

/** What was told last; what cannot be asked for is told of by the jobs beside it. */
function useSchedules(session: Session): readonly JobScheduleReport[] {
  const [schedules, setSchedules] = useState<readonly JobScheduleReport[]>([])
  useEffect(() => {
    const stop = new AbortController()
    const { signal } = stop
    const look = async (): Promise<void> => {
      if (document.hidden) return
      const told = await session.client.jobs.schedules({ signal }).catch(() => undefined)
      if (told !== undefined && !signal.aborted) setSchedules(told)
    }
    void look()
    const timer = setInterval(look, POLL_MS)
    return () => {
      stop.abort()
      clearInterval(timer)
    }
  }, [session])
  return schedules
}
