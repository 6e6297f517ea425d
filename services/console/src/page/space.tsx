import type { BucketSummary } from '@forebay/client/buckets'
import type { ReportedSetting } from '@forebay/client/client'
import type { MetricsText } from '@forebay/observe/metrics-text'
import type { ComponentChildren } from 'preact'
import { bytesText, countText, nameText, percentText, UNKNOWN } from './format.ts'
import { useLive } from './live.ts'
import { useLoad } from './load.ts'
import { Await, Card, Table } from './parts.tsx'
import type { Session } from './session.ts'

/** Shares of a disk at which something happens, percent; undefined where the user may not see them. */
interface Marks {
  readonly low: number | undefined
  readonly high: number | undefined
  readonly full: number | undefined
}

/** What the disks hold, what is dropped when they are full, and how much was. */
export function Space({ session }: { readonly session: Session }): ComponentChildren {
  const marks = useLoad('marks', async (signal) => {
    // Settings are for administrators; the bars need no marks.
    const settings = await session.client.config({ signal }).catch(() => [])
    return marksOf(settings)
  })
  const buckets = useLoad('buckets', (signal) => session.client.buckets.list({ signal }))
  return (
    <>
      <h1>Space</h1>
      <Card title="Mountpaths">
        <Await loaded={marks}>{(value) => <Mountpaths marks={value} />}</Await>
      </Card>
      <div class="columns">
        <Card title="Buckets">
          <Await loaded={buckets}>{(rows) => <BucketSpace rows={rows} />}</Await>
        </Card>
        <Card title="Evicted since the start">
          <Evictions />
        </Card>
      </div>
    </>
  )
}

function Mountpaths({ marks }: { readonly marks: Marks }): ComponentChildren {
  const { report } = useLive()
  if (report === undefined) return <p class="muted">Loading …</p>
  const { low, high, full } = marks
  return (
    <>
      {low === undefined ? null : (
        <p class="muted">
          Eviction begins at {high} % of a disk and frees it down to {low} %. Writes are refused
          from {full} % on.
        </p>
      )}
      {report.mountpaths.map(({ path, state, usedBytes, capacityBytes }) => {
        const share = capacityBytes === 0 ? 0 : usedBytes / capacityBytes
        return (
          <div class="disk" key={path}>
            <h3>
              {nameText(path)} <small>{state}</small>
            </h3>
            <div class="bar">
              <meter
                aria-label={`Used of ${path}`}
                min={0}
                max={1}
                low={(low ?? 75) / 100}
                high={(high ?? 90) / 100}
                optimum={0}
                value={share}
              />
              <Mark percent={low} />
              <Mark percent={high} />
              <Mark percent={full} />
            </div>
            <p>
              {bytesText(usedBytes)} of {bytesText(capacityBytes)} ({percentText(share)})
            </p>
          </div>
        )
      })}
    </>
  )
}

/** A line across the bar; what it stands for is said above the bars. */
function Mark({ percent }: { readonly percent: number | undefined }): ComponentChildren {
  if (percent === undefined) return null
  return <i aria-hidden="true" style={{ left: `${percent}%` }} />
}

function BucketSpace({ rows }: { readonly rows: readonly BucketSummary[] }): ComponentChildren {
  const metrics = useLive().history.last?.metrics
  return (
    <Table
      caption="Buckets"
      rows={rows}
      keyOf={nameOf}
      empty="There are no buckets yet."
      columns={[
        { head: 'Bucket', cell: (bucket) => nameText(nameOf(bucket)) },
        {
          head: 'Here',
          number: true,
          cell: (bucket) => bytesText(gaugeOf(metrics, 'forebay_bucket_used_bytes', bucket)),
        },
        {
          head: 'Quota',
          number: true,
          cell: (bucket) => bytesText(gaugeOf(metrics, 'forebay_bucket_quota_bytes', bucket)),
        },
        {
          head: 'Evictable',
          cell: ({ properties }) => (properties['evictable'] === true ? 'yes' : 'no'),
        },
        { head: 'Policy', cell: ({ properties }) => String(properties['policy'] ?? UNKNOWN) },
      ]}
    />
  )
}

/** What the node tells of one bucket; undefined where it does not. */
function gaugeOf(
  metrics: MetricsText | undefined,
  name: string,
  bucket: BucketSummary,
): number | undefined {
  return metrics?.series(name, { bucket: nameOf(bucket) })[0]?.value
}

function Evictions(): ComponentChildren {
  const metrics = useLive().history.last?.metrics
  const reasons = metrics?.valuesOf('forebay_evicted_objects_total', 'reason') ?? []
  return (
    <Table
      caption="Evicted since the start"
      rows={reasons}
      keyOf={(reason) => reason}
      empty="Nothing was evicted."
      columns={[
        { head: 'Reason', cell: (reason) => reason },
        {
          head: 'Objects',
          number: true,
          cell: (reason) => countText(metrics?.sum('forebay_evicted_objects_total', { reason })),
        },
        {
          head: 'Bytes',
          number: true,
          cell: (reason) => bytesText(metrics?.sum('forebay_evicted_bytes_total', { reason })),
        },
      ]}
    />
  )
}

function nameOf({ address }: BucketSummary): string {
  return `${address.provider ?? 'ais'}://${address.name}`
}

function marksOf(settings: readonly ReportedSetting[]): Marks {
  const percentOf = (key: string): number | undefined => {
    const value = settings.find((setting) => setting.key === key)?.value
    const number = Number.parseFloat(String(value ?? ''))
    return Number.isNaN(number) ? undefined : number
  }
  return {
    low: percentOf('space.lowWatermark'),
    high: percentOf('space.highWatermark'),
    full: percentOf('space.outOfSpace'),
  }
}
