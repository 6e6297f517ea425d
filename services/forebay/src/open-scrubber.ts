import { join } from 'node:path'
import type { Settings } from '@forebay/config/schema'
import type { Logger } from '@forebay/observe/logger'
import type { Metrics } from '@forebay/observe/metrics'
import { ScrubMetrics } from '@forebay/observe/scrub-metrics'
import type { ObjectContext } from '@forebay/target/objects/context'
import { Scrubber, type ScrubObserver } from '@forebay/target/scrub/scrubber'
import type { LocalObjectStore } from '@forebay/target/store/local-store'

/** Where in the data directory the place of a pass is kept. */
const DOCUMENT = 'scrub.json'

/** The scrubber of a node; `open` it once the node answers. */
export function createScrubber(
  settings: Settings,
  parts: {
    readonly objects: ObjectContext
    readonly store: LocalObjectStore
    readonly metrics: Metrics
    readonly logger: Logger
  },
): Scrubber {
  const { intervalMs, rate, filesPerSecond, fetchAgain } = settings.scrub
  return new Scrubber({
    objects: parts.objects,
    store: parts.store.context,
    documentPath: join(settings.dataDir, DOCUMENT),
    intervalMs,
    bytesPerSecond: rate,
    filesPerSecond,
    fetchAgain,
    observer: observe(parts.metrics, parts.logger),
  })
}

function observe(metrics: Metrics, logger: Logger): ScrubObserver {
  const counters = new ScrubMetrics(metrics.registry)
  return {
    looked: ({ objects = 0, bytes = 0, unchecked = 0 }) => {
      counters.objects.add(objects)
      counters.bytes.add(bytes)
      counters.unchecked.add(unchecked)
    },
    found: (finding) => {
      const { damage, action } = finding
      counters.found(damage, action)
      if (damage !== 'orphan') metrics.countDamage('object')
      logger.warn({ ...finding }, 'a scrub found damage')
    },
    ended: (pass) => {
      const whole = pass.state === 'finished' && pass.scope === undefined
      if (whole && pass.endedMs !== undefined) counters.passed(pass.endedMs)
      logger.info({ ...pass }, 'a scrub ended')
    },
  }
}
