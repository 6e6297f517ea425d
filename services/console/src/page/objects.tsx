import type { BucketAddress } from '@forebay/client/address'
import type { ListedObject } from '@forebay/client/objects'
import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { type CachedShare, useCachedShares } from './cached-shares.ts'
import { EvictPrefix } from './evict-prefix.tsx'
import { ExplainDialog } from './explain.tsx'
import { bytesText, dateText, nameText, UNKNOWN } from './format.ts'
import { useListing } from './listing.ts'
import { useLoad } from './load.ts'
import { Card, Notice, Share, Table } from './parts.tsx'
import { PrefetchPrefix } from './prefetch-prefix.tsx'
import { formatRoute, levelsOf, type Route } from './route.ts'
import type { Session } from './session.ts'

interface ObjectsProps {
  readonly session: Session
  readonly route: Extract<Route, { page: 'objects' }>
}

/** The objects of a bucket, level by level, and how much of each is here. */
export function Objects({ session, route }: ObjectsProps): ComponentChildren {
  const { prefix } = route
  const bucket = addressOf(route)
  const [cachedOnly, setCachedOnly] = useState(false)
  const [version, setVersion] = useState(0)
  const [explained, setExplained] = useState<string | undefined>(undefined)
  const listing = useListing({ session, bucket, prefix, cachedOnly, version })
  const shares = useCachedShares({ session, bucket, objects: listing.objects, version })
  const hasOrigin = useHasOrigin(session, bucket)
  const again = (): void => setVersion((before) => before + 1)
  return (
    <>
      <h1>{nameText(route.bucket)}</h1>
      <Trail route={route} />
      <Card title="Objects">
        <div class="controls">
          <PrefixField route={route} />
          <label>
            <input
              type="checkbox"
              checked={cachedOnly}
              onChange={({ currentTarget }) => setCachedOnly(currentTarget.checked)}
            />{' '}
            only what is here
          </label>
          {hasOrigin ? (
            <>
              <PrefetchPrefix session={session} bucket={bucket} prefix={prefix} />
              <EvictPrefix session={session} bucket={bucket} prefix={prefix} onDone={again} />
            </>
          ) : null}
        </div>
        {listing.failure === undefined ? null : <Notice>{listing.failure}</Notice>}
        <ObjectTable
          route={route}
          objects={listing.objects}
          shares={shares}
          onExplain={setExplained}
          busy={listing.busy}
        />
        {listing.more === undefined ? null : (
          <button type="button" disabled={listing.busy} onClick={listing.more}>
            More
          </button>
        )}
      </Card>
      {explained === undefined ? null : (
        <ExplainDialog
          session={session}
          object={{ bucket, key: explained }}
          hasOrigin={hasOrigin}
          onClose={(changed) => {
            setExplained(undefined)
            if (changed) again()
          }}
        />
      )}
    </>
  )
}

function addressOf({ bucket, provider }: ObjectsProps['route']): BucketAddress {
  const known = (['ais', 'aws', 'gcp', 'azure'] as const).find((each) => each === provider)
  return { name: bucket, provider: known }
}

/** True where the objects are copies: those of a bucket without an origin cannot be dropped. */
function useHasOrigin(session: Session, { name, provider }: BucketAddress): boolean {
  const buckets = useLoad('buckets', (signal) => session.client.buckets.list({ signal }))
  if (buckets.kind !== 'ready') return false
  const found = buckets.value.find(
    ({ address }) => address.name === name && address.provider === provider,
  )
  return found?.backend !== undefined
}

/** The way from the bucket down to the prefix. */
function Trail({ route }: { readonly route: ObjectsProps['route'] }): ComponentChildren {
  const levels = [
    { name: `${route.provider}://${route.bucket}/`, prefix: '' },
    ...levelsOf(route.prefix),
  ]
  return (
    <nav class="trail" aria-label="Prefix">
      {levels.map(({ name, prefix }) => (
        <a
          key={prefix}
          href={formatRoute({ ...route, prefix })}
          aria-current={prefix === route.prefix ? 'location' : undefined}
        >
          {nameText(name)}
        </a>
      ))}
    </nav>
  )
}

function PrefixField({ route }: { readonly route: ObjectsProps['route'] }): ComponentChildren {
  const [text, setText] = useState(route.prefix)
  useEffect(() => setText(route.prefix), [route.prefix])
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        location.hash = formatRoute({ ...route, prefix: text })
      }}
    >
      <label>
        Prefix{' '}
        <input
          type="search"
          value={text}
          spellcheck={false}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
      </label>{' '}
      <button type="submit">Go</button>
    </form>
  )
}

function ObjectTable(props: {
  readonly route: ObjectsProps['route']
  readonly objects: readonly ListedObject[]
  readonly shares: ReadonlyMap<string, CachedShare>
  readonly onExplain: (key: string) => void
  readonly busy: boolean
}): ComponentChildren {
  const { route, objects, shares, onExplain, busy } = props
  const relative = (key: string): string => nameText(key.slice(route.prefix.length) || key)
  return (
    <Table
      caption="Objects"
      rows={objects}
      keyOf={({ key }) => key}
      empty={busy ? 'Loading …' : 'There is nothing with this prefix.'}
      columns={[
        {
          head: 'Name',
          cell: ({ key, directory }) =>
            directory ? (
              <a class="name" href={formatRoute({ ...route, prefix: key })}>
                {relative(key)}
              </a>
            ) : (
              <button type="button" class="name" onClick={() => onExplain(key)}>
                {relative(key)}
              </button>
            ),
        },
        {
          head: 'Size',
          number: true,
          cell: ({ directory, sizeBytes }) => (directory ? '' : bytesText(sizeBytes)),
        },
        { head: 'Modified', cell: ({ lastModified }) => dateText(lastModified) },
        {
          head: 'Here',
          cell: ({ key, directory }) =>
            directory ? '' : <Here share={shares.get(key)} name={relative(key)} />,
        },
        {
          head: 'Freshness',
          cell: ({ key, directory }) => (directory ? '' : (shares.get(key)?.freshness ?? UNKNOWN)),
        },
      ]}
    />
  )
}

function Here(props: {
  readonly share: CachedShare | undefined
  readonly name: string
}): ComponentChildren {
  const { share, name } = props
  if (share === undefined) return UNKNOWN
  return <Share label={`Share of ${name} that is here`} share={share.share} />
}
