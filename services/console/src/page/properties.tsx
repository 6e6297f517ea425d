import type { BucketSummary, DescribedProperty } from '@forebay/client/buckets'
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { Dialog } from './dialog.tsx'
import { nameText } from './format.ts'
import { messageOf, useLoad } from './load.ts'
import { Await, Doc, Notice } from './parts.tsx'
import type { Session } from './session.ts'

interface PropertiesProps {
  readonly session: Session
  readonly bucket: BucketSummary
  /** `changed` is true when something was saved. */
  readonly onClose: (changed: boolean) => void
}

/** The properties of a bucket; each can be changed by itself. */
export function PropertiesDialog({ session, bucket, onClose }: PropertiesProps): ComponentChildren {
  const properties = useLoad('properties', (signal) =>
    session.client.buckets.describeProperties({ signal }),
  )
  const [changed, setChanged] = useState(false)
  const save = async (name: string, value: string | null): Promise<void> => {
    await session.client.buckets.set(bucket.address, { [name]: value })
    setChanged(true)
  }
  return (
    <Dialog
      title={`Properties of ${nameText(bucket.address.name)}`}
      onClose={() => onClose(changed)}
    >
      <p class="muted">A change holds from the next request on. An empty value is the default.</p>
      <Await loaded={properties}>
        {(known) =>
          known.map((property) => (
            <PropertyField
              key={property.name}
              property={property}
              value={writtenText(bucket.properties[property.name])}
              save={(value) => save(property.name, value)}
            />
          ))
        }
      </Await>
    </Dialog>
  )
}

/** How far a change has come. */
type Saving =
  | { readonly kind: 'idle' | 'busy' | 'saved' }
  | { readonly kind: 'failed'; readonly message: string }

function PropertyField(props: {
  readonly property: DescribedProperty
  readonly value: string
  readonly save: (value: string | null) => Promise<void>
}): ComponentChildren {
  const { property, value, save } = props
  const [text, setText] = useState(value)
  const [saving, setSaving] = useState<Saving>({ kind: 'idle' })
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    setSaving({ kind: 'busy' })
    try {
      await save(text.trim() === '' ? null : text.trim())
      setSaving({ kind: 'saved' })
    } catch (error) {
      setSaving({ kind: 'failed', message: messageOf(error) })
    }
  }
  const id = `property-${property.name}`
  return (
    <form class="property" onSubmit={(event) => void submit(event)}>
      <label for={id}>{property.name}</label>
      <input
        id={id}
        value={text}
        aria-describedby={`${id}-doc`}
        spellcheck={false}
        onInput={({ currentTarget }) => {
          setText(currentTarget.value)
          setSaving({ kind: 'idle' })
        }}
      />
      <button type="submit" aria-label={`Save ${property.name}`} disabled={saving.kind === 'busy'}>
        Save
      </button>
      <small id={`${id}-doc`} class="muted">
        <Doc text={property.doc} /> Allowed: <Doc text={property.allowed} />. Default:{' '}
        <Doc text={property.default} />.
      </small>
      <span role="status">{saving.kind === 'saved' ? 'Saved.' : ''}</span>
      {saving.kind === 'failed' ? <Notice>{saving.message}</Notice> : null}
    </form>
  )
}

/** A value as a user would write it. */
function writtenText(value: unknown): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
