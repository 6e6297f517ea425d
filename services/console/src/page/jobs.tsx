import type { JobReport } from '@forebay/client/jobs'
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import {
  byteRateText,
  bytesText,
  countText,
  dateText,
  nameText,
  rateText,
  spanText,
} from './format.ts'
import { hasEnded, jobsIn, settledItems, shareOf } from './job-board.ts'
import { JobDialog } from './job-dialog.tsx'
import { Card, type Column, Notice, Share, Table } from './parts.tsx'
import { Schedules } from './schedules.tsx'
import type { Session } from './session.ts'
import { useJobs } from './use-jobs.ts'

/** States of jobs, in the order in which they are offered. */
const STATES = ['queued', 'running', 'paused', 'finished', 'failed', 'aborted', 'lost'] as const

/** Long work that the node does: what is under way, and what has ended. */
export function Jobs({ session }: { readonly session: Session }): ComponentChildren {
  const { board, known, failure, note } = useJobs(session)
  const [state, setState] = useState('')
  const [openId, setOpenId] = useState<string | undefined>(undefined)
  const jobs = jobsIn(board, state)
  const opened = openId === undefined ? undefined : board.get(openId)
  return (
    <>
      <h1>Jobs</h1>
      {failure === undefined ? null : <Notice>Jobs cannot be asked for: {failure}</Notice>}
      <div class="controls">
        <label>
          State{' '}
          <select value={state} onChange={({ currentTarget }) => setState(currentTarget.value)}>
            <option value="">all</option>
            {STATES.map((each) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Card title="Under way">
        <JobTable
          title="Under way"
          jobs={jobs.filter((job) => !hasEnded(job))}
          empty={known ? 'Nothing is under way.' : 'Loading …'}
          onOpen={setOpenId}
          columns={OPEN_COLUMNS}
        />
      </Card>
      <Card title="Ended">
        <JobTable
          title="Ended"
          jobs={jobs.filter(hasEnded)}
          empty={known ? 'None has ended yet.' : 'Loading …'}
          onOpen={setOpenId}
          columns={ENDED_COLUMNS}
        />
      </Card>
      <Schedules session={session} />
      {opened === undefined ? null : (
        <JobDialog
          key={opened.id}
          session={session}
          job={opened}
          note={note}
          onClose={() => setOpenId(undefined)}
        />
      )}
    </>
  )
}

const OPEN_COLUMNS: readonly Column<JobReport>[] = [
  { head: 'Rate', number: true, cell: rateOf },
  { head: 'Left', number: true, cell: ({ remainingSeconds }) => spanText(remainingSeconds) },
]

const ENDED_COLUMNS: readonly Column<JobReport>[] = [
  { head: 'Took', number: true, cell: tookOf },
  { head: 'Ended', cell: ({ ended }) => dateText(ended) },
]

function JobTable(props: {
  readonly title: string
  readonly jobs: readonly JobReport[]
  readonly empty: string
  readonly onOpen: (id: string) => void
  /** Besides those that every job has. */
  readonly columns: readonly Column<JobReport>[]
}): ComponentChildren {
  const { title, jobs, empty, onOpen, columns } = props
  return (
    <Table
      caption={title}
      rows={jobs}
      keyOf={({ id }) => id}
      empty={empty}
      columns={[
        {
          head: 'Job',
          cell: ({ id, kind, bucket, description }) => (
            <>
              <button type="button" class="name" onClick={() => onOpen(id)}>
                {kind} {nameText(bucket ?? '')}
              </button>{' '}
              <small>{nameText(description ?? id)}</small>
            </>
          ),
        },
        {
          head: 'State',
          cell: ({ state }) => <span class={`state ${toneOf(state)}`}>{state}</span>,
        },
        { head: 'Progress', cell: (job) => <Progress job={job} /> },
        { head: 'Failed', number: true, cell: ({ counters }) => countText(counters.failed) },
        { head: 'Bytes', number: true, cell: ({ counters }) => bytesText(counters.bytes) },
        ...columns,
      ]}
    />
  )
}

/** A bar once it is known how much there is; before that how much was found. */
function Progress({ job }: { readonly job: JobReport }): ComponentChildren {
  const share = shareOf(job)
  const settled = countText(settledItems(job))
  const listed = countText(job.listing.items)
  if (share === undefined) return `${settled} of ${listed} so far`
  return (
    <>
      <Share label={`Progress of ${job.kind} ${job.id}`} share={share} />{' '}
      <small>
        {settled} of {listed}
      </small>
    </>
  )
}

function rateOf({ rate }: JobReport): string {
  if (rate === undefined) return ''
  return `${rateText(rate.itemsPerSecond)}, ${byteRateText(rate.bytesPerSecond)}`
}

/** How long it took, from the begin of its list. */
function tookOf({ started, ended }: JobReport): string {
  if (started === undefined || ended === undefined) return ''
  return spanText((Date.parse(ended) - Date.parse(started)) / 1000)
}

/** The colour of a state, by the classes that states of origins have. */
function toneOf(state: string): string {
  if (state === 'finished') return 'good'
  if (state === 'failed' || state === 'lost') return 'down'
  return state === 'paused' || state === 'aborted' ? 'troubled' : ''
}
