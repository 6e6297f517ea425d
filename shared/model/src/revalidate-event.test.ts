import { expect, test } from 'vitest'
import { formatProperties, parseProperties } from './property-list.ts'

test('freshness by events lasts a day, or as long as is said', () => {
  const day = parseProperties({ revalidate: 'event' })
  expect(day).toEqual({ revalidate: { kind: 'event', ttlMs: 24 * 60 * 60_000 } })
  expect(formatProperties(day)).toEqual({ revalidate: 'event' })
  const hour = parseProperties({ revalidate: 'event 1h' })
  expect(hour).toEqual({ revalidate: { kind: 'event', ttlMs: 60 * 60_000 } })
  expect(formatProperties(hour)).toEqual({ revalidate: 'event 1h' })
})

test.each(['events', 'event ', 'event -1h', 'event 1', 'Event', 'event 1h 2h'])(
  'revalidate cannot be "%s"',
  (written) => {
    expect(() => parseProperties({ revalidate: written })).toThrow(/revalidate/)
  },
)
