import type { ComponentChildren } from 'preact'
import { Chart, type Line } from './chart.tsx'
import {
  byteRateText,
  bytesText,
  countText,
  nameText,
  percentText,
  rateText,
  spanText,
  timeText,
  UNKNOWN,
} from './format.ts'
import type { Frame } from './history.ts'
import { useLive } from './live.ts'
import { Card, Figure, Notice, Table } from './parts.tsx'

const THROUGHPUT: readonly Line[] = [
  { label: 'to clients', colour: '--line-1', pick: (frame) => frame.outBytesPerSecond },
  { label: 'from origins', colour: '--line-2', pick: (frame) => receivedOf(frame) },
  { label: 'written', colour: '--line-3', pick: (frame) => frame.inBytesPerSecond },
]

const HITS: readonly Line[] = [
  { label: 'objects', colour: '--line-1', pick: (frame) => frame.objectHitRatio },
  { label: 'bytes', colour: '--line-2', pick: (frame) => frame.byteHitRatio },
]

const REQUESTS: readonly Line[] = [
  { label: 'by clients', colour: '--line-1', pick: (frame) => frame.requestsPerSecond },
  { label: 'to origins', colour: '--line-2', pick: (frame) => askedOf(frame) },
  { label: 'failed', colour: '--line-3', pick: (frame) => frame.failuresPerSecond },
]

const LATENCY: readonly Line[] = [
  { label: 'p50', colour: '--line-1', pick: (frame) => frame.p50Seconds },
  { label: 'p99', colour: '--line-2', pick: (frame) => frame.p99Seconds },
]

/** How the node does now and did in the last minutes. */
export function Overview(): ComponentChildren {
  const { history, seesMetrics } = useLive()
  const { frames } = history
  return (
    <>
      <h1>Overview</h1>
      <Reasons />
      <Figures />
      {seesMetrics ? (
        <div class="charts">
          <Chart
            title="Throughput"
            frames={frames}
            lines={THROUGHPUT}
            format={byteRateText}
            bytes
          />
          <Chart title="Hit ratio" frames={frames} lines={HITS} format={percentText} top={1} />
          <Chart title="Requests" frames={frames} lines={REQUESTS} format={rateText} />
          <Chart title="Latency" frames={frames} lines={LATENCY} format={timeText} />
        </div>
      ) : (
        <p class="muted">Charts need a user with the policy admin.</p>
      )}
      <Now frame={frames.at(-1)} />
    </>
  )
}

function Reasons(): ComponentChildren {
  const { report } = useLive()
  if (report === undefined || report.ready) return null
  return (
    <Notice>
      The node is not ready:{' '}
      {report.reasons.length === 0 ? 'it is starting' : report.reasons.join('; ')}.
    </Notice>
  )
}

function Figures(): ComponentChildren {
  const { report, history } = useLive()
  const frame = history.frames.at(-1)
  const used = report?.mountpaths.reduce((sum, { usedBytes }) => sum + usedBytes, 0)
  const capacity = report?.mountpaths.reduce((sum, { capacityBytes }) => sum + capacityBytes, 0)
  const share = used === undefined || !capacity ? undefined : used / capacity
  return (
    <dl class="figures">
      <Figure
        name="State"
        value={report === undefined ? UNKNOWN : report.ready ? 'ready' : 'not ready'}
        detail={report === undefined ? undefined : `up ${spanText(report.uptimeSeconds)}`}
      />
      <Figure
        name="To clients"
        value={byteRateText(frame?.outBytesPerSecond)}
        detail={`${rateText(frame?.requestsPerSecond)} requests`}
      />
      <Figure
        name="Hit ratio"
        value={percentText(frame?.byteHitRatio)}
        detail={`of bytes; ${percentText(frame?.objectHitRatio)} of objects`}
      />
      <Figure
        name="Saved"
        value={bytesText(frame?.savedBytes)}
        detail={`and ${countText(frame?.savedRequests)} requests, since the start`}
      />
      <Figure
        name="Objects here"
        value={countText(report?.objectCount)}
        detail={`${countText(report?.unsettledCount)} unsettled keys`}
      />
      <Figure name="Space" value={percentText(share)} detail={`${bytesText(used)} used`} />
    </dl>
  )
}

function Now(props: { readonly frame: Frame | undefined }): ComponentChildren {
  const { frame } = props
  return (
    <div class="columns">
      <Card title="Operations now">
        <Table
          caption="Operations now"
          rows={frame?.operations ?? []}
          keyOf={(row) => row.operation}
          empty="Nobody asks for anything at the moment."
          columns={[
            { head: 'Operation', cell: (row) => row.operation },
            { head: 'Rate', number: true, cell: (row) => rateText(row.perSecond) },
            { head: 'Failed', number: true, cell: (row) => rateText(row.failuresPerSecond) },
            { head: 'p50', number: true, cell: (row) => timeText(row.p50Seconds) },
            { head: 'p99', number: true, cell: (row) => timeText(row.p99Seconds) },
          ]}
        />
      </Card>
      <Card title="Buckets now">
        <Table
          caption="Buckets now"
          rows={frame?.buckets ?? []}
          keyOf={(row) => row.bucket}
          empty="No bucket is read at the moment."
          columns={[
            { head: 'Bucket', cell: (row) => nameText(row.bucket) },
            { head: 'Reads', number: true, cell: (row) => rateText(row.readsPerSecond) },
            { head: 'To clients', number: true, cell: (row) => byteRateText(row.bytesPerSecond) },
            { head: 'Hit bytes', number: true, cell: (row) => percentText(row.byteHitRatio) },
          ]}
        />
      </Card>
    </div>
  )
}

function receivedOf({ origins }: Frame): number {
  return origins.reduce((sum, origin) => sum + origin.receivedBytesPerSecond, 0)
}

function askedOf({ origins }: Frame): number {
  return origins.reduce((sum, origin) => sum + origin.requestsPerSecond, 0)
}
