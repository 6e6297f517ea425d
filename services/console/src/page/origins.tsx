import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { byteRateText, bytesText, countText, rateText, timeText, UNKNOWN } from './format.ts'
import { useLive } from './live.ts'
import { costOf, type OriginRow, originsOf } from './origin-rows.ts'
import { Card, Figure, Table } from './parts.tsx'

/** How the stores behind the cache do, and what it spares them. */
export function Origins(): ComponentChildren {
  const { history, seesMetrics } = useLive()
  const metrics = history.last?.metrics
  const frame = history.frames.at(-1)
  return (
    <>
      <h1>Origins</h1>
      {seesMetrics ? null : <p class="muted">Figures need a user with the policy admin.</p>}
      <Savings />
      <Card title="State">
        <OriginTable rows={metrics === undefined ? [] : originsOf(metrics, frame)} />
      </Card>
    </>
  )
}

/** Prices differ by provider, region and contract, so the user states them; they stay in this page. */
function Savings(): ComponentChildren {
  const frame = useLive().history.frames.at(-1)
  const [perGib, setPerGib] = useState(0)
  const [perThousandRequests, setPerThousandRequests] = useState(0)
  const prices = { perGib, perThousandRequests }
  const isPriced = perGib > 0 || perThousandRequests > 0
  const cost = frame === undefined || !isPriced ? undefined : costOf(frame, prices)
  return (
    <Card title="Saved since the start">
      <dl class="figures">
        <Figure name="Bytes not fetched" value={bytesText(frame?.savedBytes)} />
        <Figure name="Requests not made" value={countText(frame?.savedRequests)} />
        <Figure
          name="Worth"
          value={cost === undefined ? UNKNOWN : cost.toFixed(2)}
          detail={isPriced ? 'in the currency of the prices' : 'state prices below'}
        />
      </dl>
      <div class="controls">
        <Price label="Price of a GiB" value={perGib} onValue={setPerGib} />
        <Price
          label="Price of 1,000 requests"
          value={perThousandRequests}
          onValue={setPerThousandRequests}
        />
      </div>
    </Card>
  )
}

function Price(props: {
  readonly label: string
  readonly value: number
  readonly onValue: (value: number) => void
}): ComponentChildren {
  const { label, value, onValue } = props
  return (
    <label>
      {label}{' '}
      <input
        type="number"
        min={0}
        step="any"
        value={value}
        onInput={({ currentTarget }) => onValue(Math.max(0, currentTarget.valueAsNumber || 0))}
      />
    </label>
  )
}

function OriginTable({ rows }: { readonly rows: readonly OriginRow[] }): ComponentChildren {
  return (
    <Table
      caption="State"
      rows={rows}
      keyOf={({ name }) => name}
      empty="No origin has been asked for anything yet."
      columns={[
        { head: 'Origin', cell: ({ name }) => name },
        {
          head: 'State',
          cell: ({ state }) => <span class={`state ${state}`}>{STATE_TEXTS[state]}</span>,
        },
        { head: 'Now', number: true, cell: ({ now }) => rateText(now?.requestsPerSecond) },
        { head: 'In', number: true, cell: ({ now }) => byteRateText(now?.receivedBytesPerSecond) },
        { head: 'p99', number: true, cell: ({ now }) => timeText(now?.p99Seconds) },
        { head: 'Requests', number: true, cell: ({ requests }) => countText(requests) },
        { head: 'Failed', number: true, cell: ({ failed }) => countText(failed) },
        { head: 'Timed out', number: true, cell: ({ timedOut }) => countText(timedOut) },
        { head: 'Throttled', number: true, cell: ({ throttled }) => countText(throttled) },
        { head: 'Received', number: true, cell: ({ receivedBytes }) => bytesText(receivedBytes) },
        { head: 'Sent', number: true, cell: ({ sentBytes }) => bytesText(sentBytes) },
      ]}
    />
  )
}

const STATE_TEXTS: Readonly<Record<OriginRow['state'], string>> = {
  good: 'answers',
  troubled: 'failures now',
  recovering: 'answers again',
  down: 'cannot be reached',
}
