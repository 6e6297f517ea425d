import { type BucketAddress, formatObjectUrl } from '@forebay/client/address'
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { Dialog } from './dialog.tsx'
import { nameText } from './format.ts'
import { messageOf } from './load.ts'
import { Notice } from './parts.tsx'
import type { Session } from './session.ts'

interface PrefetchProps {
  readonly session: Session
  readonly bucket: BucketAddress
  readonly prefix: string
}

/** Orders a job that brings everything below a prefix into the cache, after a question. */
export function PrefetchPrefix(props: PrefetchProps): ComponentChildren {
  const [asks, setAsks] = useState(false)
  return (
    <>
      <button type="button" onClick={() => setAsks(true)}>
        Prefetch …
      </button>
      {asks ? <PrefetchDialog {...props} close={() => setAsks(false)} /> : null}
    </>
  )
}

function PrefetchDialog(props: PrefetchProps & { readonly close: () => void }): ComponentChildren {
  const { session, bucket, prefix, close } = props
  const [latest, setLatest] = useState(false)
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<string | undefined>(undefined)
  const start = async (): Promise<void> => {
    setBusy(true)
    setFailure(undefined)
    try {
      const args = { ...(prefix === '' ? {} : { prefix }), ...(latest ? { latest } : {}) }
      await session.client.jobs.start({
        kind: 'prefetch',
        bucket: formatObjectUrl(bucket),
        args,
      })
      location.hash = '#/jobs'
      close()
    } catch (error) {
      setFailure(messageOf(error))
      setBusy(false)
    }
  }
  const where = prefix === '' ? 'the whole bucket' : `everything below ${nameText(prefix)}`
  return (
    <Dialog title="Prefetch" onClose={close}>
      <p>Brings {where} from the origin into the cache of this node. Users go first.</p>
      <p>
        <label>
          <input
            type="checkbox"
            checked={latest}
            onChange={({ currentTarget }) => setLatest(currentTarget.checked)}
          />{' '}
          ask the origin about what is here already
        </label>
      </p>
      {failure === undefined ? null : <Notice>{failure}</Notice>}
      <button type="button" class="primary" disabled={busy} onClick={() => void start()}>
        Start the job
      </button>
    </Dialog>
  )
}
