import type { BucketAddress } from '@forebay/client/address'
import type { ListedObject } from '@forebay/client/objects'
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { Dialog } from './dialog.tsx'
import { countText, nameText } from './format.ts'
import { messageOf } from './load.ts'
import { Notice } from './parts.tsx'
import type { Session } from './session.ts'

/** Copies that are dropped at the same time. */
const DROPPED_AT_ONCE = 6

interface EvictProps {
  readonly session: Session
  readonly bucket: BucketAddress
  readonly prefix: string
  /** Called when copies were dropped. */
  readonly onDone: () => void
}

/** How far it has come. */
type Progress =
  | { readonly kind: 'asking' }
  | { readonly kind: 'running' | 'done'; readonly count: number }
  | { readonly kind: 'failed'; readonly count: number; readonly message: string }

/** Drops every copy below a prefix, after a question. The origin keeps the objects. */
export function EvictPrefix(props: EvictProps): ComponentChildren {
  const [asks, setAsks] = useState(false)
  return (
    <>
      <button type="button" onClick={() => setAsks(true)}>
        Drop copies …
      </button>
      {asks ? <EvictDialog {...props} close={() => setAsks(false)} /> : null}
    </>
  )
}

function EvictDialog(props: EvictProps & { readonly close: () => void }): ComponentChildren {
  const { session, bucket, prefix, onDone, close } = props
  const [progress, setProgress] = useState<Progress>({ kind: 'asking' })
  const [stop] = useState(() => new AbortController())
  const run = async (): Promise<void> => {
    let count = 0
    const dropped = (): void => {
      count++
      setProgress({ kind: 'running', count })
    }
    setProgress({ kind: 'running', count })
    try {
      const { signal } = stop
      const names = session.client.objects.list(bucket, { prefix, cached: true, signal })
      const drop = (object: ListedObject): Promise<void> =>
        session.client.objects.evict({ bucket, key: object.key }, { signal })
      const workers = Array.from({ length: DROPPED_AT_ONCE }, async () => {
        for await (const object of takeTurns(names)) {
          await drop(object)
          dropped()
        }
      })
      await Promise.all(workers)
      setProgress({ kind: 'done', count })
    } catch (error) {
      setProgress({ kind: 'failed', count, message: messageOf(error) })
    }
  }
  const where = prefix === '' ? 'of the whole bucket' : `below ${nameText(prefix)}`
  return (
    <Dialog
      title="Drop copies"
      onClose={() => {
        stop.abort()
        if (progress.kind !== 'asking') onDone()
        close()
      }}
    >
      <p>
        Drops every copy {where} from the disks of this node. The origin keeps its objects; the next
        reads fetch them again.
      </p>
      <p role="status">
        {progress.kind === 'asking' ? '' : `${countText(progress.count)} dropped`}
        {progress.kind === 'done' ? '; that is all.' : ''}
      </p>
      {progress.kind === 'failed' ? <Notice>{progress.message}</Notice> : null}
      {progress.kind === 'asking' ? (
        <button type="button" class="primary" onClick={() => void run()}>
          Drop them
        </button>
      ) : null}
    </Dialog>
  )
}

/** A generator that several workers share: each takes the next one, and none of them ends it. */
async function* takeTurns<T>(shared: AsyncGenerator<T>): AsyncGenerator<T> {
  for (;;) {
    const { value, done } = await shared.next()
    if (done === true) return
    yield value
  }
}
