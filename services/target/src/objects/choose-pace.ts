import type { ObjectContext } from './context.ts'
import { FetchPace } from './fetch-pace.ts'
import type { FillParts } from './fill-parts.ts'

/** The pace of a fill that may have several connections; undefined where it must do with one. */
export function choosePace(context: ObjectContext, parts: FillParts): FetchPace | undefined {
  const { connectionsPerObjectMax: connectionsMax, clock, loopBusyShare: busyShare } = context
  const { segmentBytes } = context
  const { bucket, attributes, pin } = parts
  if (connectionsMax === 1) return undefined
  if (attributes.sizeBytes < context.propertiesOf(bucket).parallelThresholdBytes) return undefined
  // Without a pin nobody could tell whether two connections bring the same version (rule 6).
  const { rangedRead, pinnedRead } = context.backendOf(bucket).capabilities
  if (pin.kind === 'none' || !rangedRead || !pinnedRead) return undefined
  const monotonic = (): number => clock.monotonic()
  return new FetchPace({ connectionsMax, segmentBytes, monotonic, busyShare })
}
