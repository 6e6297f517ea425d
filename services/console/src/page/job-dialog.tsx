import type { JobEvent, JobFailureReport, JobReport } from '@forebay/client/jobs'
import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { Dialog } from './dialog.tsx'
import { bytesText, countText, dateText, nameText } from './format.ts'
import { actionsOf, type JobAction } from './job-board.ts'
import { limitFacts } from './job-limits.ts'
import { messageOf } from './load.ts'
import { Notice, Table } from './parts.tsx'
import type { Session } from './session.ts'

/** Failures that are shown at a time. */
const FAILURES_PAGE = 100

/** Characters of one argument or result that are shown. */
const VALUE_LENGTH_MAX = 400

const WORDS: Readonly<Record<JobAction, string>> = {
  pause: 'Pause',
  resume: 'Resume',
  retry: 'Retry what failed',
  abort: 'Abort',
  remove: 'Forget',
}

interface JobDialogProps {
  readonly session: Session
  readonly job: JobReport
  /** Told of what was done here. */
  readonly note: (event: JobEvent) => void
  readonly onClose: () => void
}

/** One job: what was asked for, how far it is, what failed, and what can be done with it. */
export function JobDialog({ session, job, note, onClose }: JobDialogProps): ComponentChildren {
  const [failure, setFailure] = useState<string | undefined>(undefined)
  const act = (action: JobAction) => () => {
    setFailure(undefined)
    const { jobs } = session.client
    const { id } = job
    const done: Promise<JobEvent> =
      action === 'remove'
        ? jobs.remove(id).then(() => ({ kind: 'removed', id }))
        : jobs.change(id, action).then((changed) => ({ kind: 'job', job: changed }))
    done.then(note).catch((error: unknown) => setFailure(messageOf(error)))
  }
  return (
    <Dialog title={nameText([job.kind, job.bucket ?? ''].join(' ').trim())} onClose={onClose}>
      <div class="controls">
        {actionsOf(job).map((action) => (
          <button key={action} type="button" onClick={act(action)}>
            {WORDS[action]}
          </button>
        ))}
        <span role="status">{job.state}</span>
      </div>
      {failure === undefined ? null : <Notice>{failure}</Notice>}
      <dl class="facts">
        {factsOf(job).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {job.counters.failed === 0 ? null : <Failures session={session} job={job} />}
    </Dialog>
  )
}

/** What failed, page by page; asked again when more has. */
function Failures(props: {
  readonly session: Session
  readonly job: JobReport
}): ComponentChildren {
  const { session, job } = props
  const [rows, setRows] = useState<readonly JobFailureReport[]>([])
  const [next, setNext] = useState<string | undefined>(undefined)
  const [message, setMessage] = useState<string | undefined>(undefined)
  const load = async (after: string | undefined, signal?: AbortSignal): Promise<void> => {
    try {
      const { jobs } = session.client
      const page = await jobs.failures(job.id, { after, max: FAILURES_PAGE, signal })
      setRows((before) => (after === undefined ? page.failures : [...before, ...page.failures]))
      setNext(page.next)
      setMessage(undefined)
    } catch (error) {
      if (signal?.aborted !== true) setMessage(messageOf(error))
    }
  }
  // While it runs the first hundred do not change once they are there.
  const about = `${job.attempt} ${Math.min(FAILURES_PAGE, job.counters.failed)}`
  useEffect(() => {
    const stop = new AbortController()
    void load(undefined, stop.signal)
    return () => stop.abort()
  }, [about])
  return (
    <>
      <h3>Failures</h3>
      {message === undefined ? null : <Notice>{message}</Notice>}
      <Table
        caption="Failures"
        rows={rows}
        keyOf={({ key }) => key}
        empty="Loading …"
        columns={[
          { head: 'Key', cell: ({ key }) => <span class="name">{nameText(key)}</span> },
          { head: 'Code', cell: ({ code }) => <code>{code}</code> },
          { head: 'Why', cell: ({ message: why }) => nameText(why) },
        ]}
      />
      {next === undefined ? null : (
        <button type="button" onClick={() => void load(next)}>
          More
        </button>
      )}
    </>
  )
}

function factsOf(job: JobReport): readonly (readonly [string, string])[] {
  const { counters, listing } = job
  const all: readonly (readonly [string, string | undefined])[] = [
    ['Id', job.id],
    ['Why', job.error],
    ...Object.entries(job.args).map(([name, value]) => [name, valueText(value)] as const),
    ['Description', job.description],
    ['User', job.user],
    ['Schedule', job.schedule],
    ['Priority', job.priority],
    ...limitFacts(job),
    ['Ordered', dateText(job.created)],
    ['Begun', dateText(job.started)],
    ['Ended', dateText(job.ended)],
    ['Attempt', String(job.attempt)],
    ['Listed', `${countText(listing.items)}${listing.complete ? '' : ' so far'}`],
    ['Done', `${countText(counters.done)}, ${bytesText(counters.bytes)}`],
    ['Skipped', countText(counters.skipped)],
    ['Failed', countText(counters.failed)],
    ...Object.entries(job.result ?? {}).map(([name, value]) => [name, valueText(value)] as const),
  ]
  return all.flatMap(([name, value]) =>
    value === undefined ? [] : [[name, nameText(value)] as const],
  )
}

function valueText(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length <= VALUE_LENGTH_MAX ? text : `${text.slice(0, VALUE_LENGTH_MAX)} …`
}
