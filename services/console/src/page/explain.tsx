import type { Explanation, ObjectAddress } from '@forebay/client/objects'
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { Dialog } from './dialog.tsx'
import { bytesText, nameText } from './format.ts'
import { messageOf, useLoad } from './load.ts'
import { Await, Notice } from './parts.tsx'
import type { Session } from './session.ts'

/** Seconds for which a link to an object works: long enough to click on it. */
const LINK_SECONDS = 60

interface ExplainProps {
  readonly session: Session
  readonly object: ObjectAddress
  /** What is here is a copy and may be dropped. */
  readonly hasOrigin: boolean
  /** `changed` is true when the copy was dropped. */
  readonly onClose: (changed: boolean) => void
}

/** What the cache knows about one object, and what can be done with it. */
export function ExplainDialog(props: ExplainProps): ComponentChildren {
  const { session, object, hasOrigin, onClose } = props
  const [evicted, setEvicted] = useState(0)
  const [failure, setFailure] = useState<string | undefined>(undefined)
  const explained = useLoad(`${evicted} ${JSON.stringify(object)}`, (signal) =>
    session.client.objects.explain(object, { signal }),
  )
  const attempt = (work: () => Promise<void>) => () => {
    setFailure(undefined)
    work().catch((error: unknown) => setFailure(messageOf(error)))
  }
  return (
    <Dialog title={nameText(object.key)} onClose={() => onClose(evicted > 0)}>
      <Await loaded={explained}>{(explanation) => <Facts explanation={explanation} />}</Await>
      {failure === undefined ? null : <Notice>{failure}</Notice>}
      <div class="controls">
        <button type="button" onClick={attempt(() => download(session, object))}>
          Download
        </button>
        {hasOrigin ? (
          <button
            type="button"
            onClick={attempt(async () => {
              await session.client.objects.evict(object)
              setEvicted(evicted + 1)
            })}
          >
            Drop the copy here
          </button>
        ) : null}
        <span role="status">{evicted > 0 ? 'Dropped; the origin keeps the object.' : ''}</span>
      </div>
    </Dialog>
  )
}

function Facts({ explanation }: { readonly explanation: Explanation }): ComponentChildren {
  const { fields, reasons } = explanation
  const shown = Object.entries(fields).filter(
    ([name, value]) => !HIDDEN.has(name) && value !== undefined && value !== null,
  )
  return (
    <>
      <ul>
        {reasons.map((reason) => (
          <li key={reason}>{reason}</li>
        ))}
      </ul>
      <dl class="facts">
        {shown.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{factText(name, value)}</dd>
          </div>
        ))}
      </dl>
    </>
  )
}

/** Said elsewhere in the dialog. */
const HIDDEN: ReadonlySet<string> = new Set(['bucket', 'key', 'reasons'])

function factText(name: string, value: unknown): string {
  if (typeof value === 'number' && name.endsWith('Bytes')) {
    return `${bytesText(value)} (${value.toLocaleString('en-US')} bytes)`
  }
  if (typeof value === 'number' && name.endsWith('Ms')) return new Date(value).toISOString()
  if (typeof value === 'number' && name.endsWith('Seconds')) return `${value} s`
  return nameText(typeof value === 'string' ? value : JSON.stringify(value))
}

/** By a link of the moment, so that the browser saves the bytes and this page never holds them. */
async function download(session: Session, object: ObjectAddress): Promise<void> {
  const link = document.createElement('a')
  link.href = await session.client.objects.link(object, LINK_SECONDS)
  link.download = object.key.slice(object.key.lastIndexOf('/') + 1) || 'object'
  link.click()
}
