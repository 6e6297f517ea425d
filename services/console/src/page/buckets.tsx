import type { BucketSummary } from '@forebay/client/buckets'
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { countText, dateText, nameText, spanText, UNKNOWN } from './format.ts'
import { useLoad } from './load.ts'
import { Await, Card, Table } from './parts.tsx'
import { PropertiesDialog } from './properties.tsx'
import { formatRoute } from './route.ts'
import type { Session } from './session.ts'

/** Every bucket that the user may see, and what it does with what it reads and writes. */
export function Buckets({ session }: { readonly session: Session }): ComponentChildren {
  const [version, setVersion] = useState(0)
  const [edited, setEdited] = useState<BucketSummary | undefined>(undefined)
  const buckets = useLoad(`buckets ${version}`, (signal) => session.client.buckets.list({ signal }))
  return (
    <>
      <h1>Buckets</h1>
      <Card title="All buckets">
        <Await loaded={buckets}>{(rows) => <BucketTable rows={rows} onEdit={setEdited} />}</Await>
      </Card>
      {edited === undefined ? null : (
        <PropertiesDialog
          session={session}
          bucket={edited}
          onClose={(changed) => {
            setEdited(undefined)
            if (changed) setVersion(version + 1)
          }}
        />
      )}
    </>
  )
}

function BucketTable(props: {
  readonly rows: readonly BucketSummary[]
  readonly onEdit: (bucket: BucketSummary) => void
}): ComponentChildren {
  const { rows, onEdit } = props
  const property = (bucket: BucketSummary, name: string): string =>
    String(bucket.properties[name] ?? '')
  return (
    <Table
      caption="All buckets"
      rows={rows}
      keyOf={(bucket) => bucketText(bucket)}
      empty="There are no buckets yet. Make one by “forebay bucket add”."
      columns={[
        { head: 'Bucket', cell: (bucket) => <BucketLink bucket={bucket} /> },
        { head: 'Origin', cell: (bucket) => nameText(originText(bucket)) },
        { head: 'Freshness', cell: (bucket) => freshnessText(bucket) },
        { head: 'Cache', cell: (bucket) => property(bucket, 'cache') },
        { head: 'Policy', cell: (bucket) => property(bucket, 'policy') },
        // Most nodes keep none: the column would be empty.
        ...(rows.some(({ inventory }) => inventory !== undefined) ? [INVENTORY_COLUMN] : []),
        { head: 'Aliases', cell: ({ aliases }) => aliases.map(nameText).join(', ') },
        {
          head: 'Properties',
          cell: (bucket) => (
            <button
              type="button"
              aria-label={`Properties of ${bucket.address.name}`}
              onClick={() => onEdit(bucket)}
            >
              Properties
            </button>
          ),
        },
      ]}
    />
  )
}

const INVENTORY_COLUMN = {
  head: 'Inventory',
  cell: ({ inventory }: BucketSummary): ComponentChildren => {
    if (inventory === undefined) return UNKNOWN
    const { objects, changedKeys, asOf, usable, nextRefresh } = inventory
    const ageSeconds = Math.max(0, (Date.now() - Date.parse(asOf)) / 1000)
    const since = changedKeys === 0 ? '' : `, ${countText(changedKeys)} changed since`
    const next = nextRefresh === undefined ? '' : `, next ${dateText(nextRefresh) ?? UNKNOWN}`
    const age = `${countText(objects)} keys, ${spanText(ageSeconds)} old`
    return `${age}${since}${usable ? '' : ', not used'}${next}`
  },
} as const

function BucketLink({ bucket }: { readonly bucket: BucketSummary }): ComponentChildren {
  const { name, provider = 'ais' } = bucket.address
  const href = formatRoute({ page: 'objects', provider, bucket: name, prefix: '' })
  return <a href={href}>{nameText(bucketText(bucket))}</a>
}

function bucketText({ address }: BucketSummary): string {
  return `${address.provider ?? 'ais'}://${address.name}`
}

/** Where the objects come from; a bucket without an origin is the store itself. */
function originText({ backend }: BucketSummary): string {
  if (backend === undefined) return 'none: stored here'
  const provider = String(backend['provider'] ?? '')
  const endpoint = backend['endpoint']
  const place = typeof endpoint === 'string' ? ` at ${endpoint}` : ''
  const bucket = String(backend['bucket'] ?? '')
  return provider === 'http' ? bucket : `${STORES.get(provider) ?? provider} ${bucket}${place}`
}

/** What people call the stores. */
const STORES: ReadonlyMap<string, string> = new Map([
  ['aws', 'S3'],
  ['gcp', 'Google Cloud Storage'],
  ['azure', 'Azure'],
])

function freshnessText({ backend, properties }: BucketSummary): string {
  return backend === undefined ? 'always current' : String(properties['revalidate'] ?? '')
}
