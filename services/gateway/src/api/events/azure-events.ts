import type { ToldState } from '@forebay/peer/target-port'
import { field, type Json, textAt, timeAt } from './json-fields.ts'
import { invalid, NOTHING, type StoreChange, type Told } from './store-change.ts'

/** Where the subject of an event of Blob Storage names the container; behind it the blob. */
const SUBJECT = /^\/blobServices\/default\/containers\/([^/]{1,63})(?:\/blobs\/(.+))?$/s

/**
 * One event of Azure Blob Storage, in Event Grid's form or as a CloudEvent, which differ in the names
 * of a few fields.
 */
export function readGridEvent(event: Json): Told {
  const type = textAt(event, 'eventType') ?? textAt(event, 'type') ?? invalid('it has no type')
  const place = SUBJECT.exec(textAt(event, 'subject') ?? '')
  const container = place?.[1] ?? invalid('its subject names no container')
  const changedMs = timeAt(event, 'eventTime') ?? timeAt(event, 'time')
  const change = (keys: readonly string[], now: ToldState): StoreChange => {
    return { source: 'azure', bucket: container, keys, now, changedMs }
  }
  const data = field(event, 'data')
  const url = textAt(data, 'url')
  switch (type.replace(/^Microsoft\.Storage\./, '')) {
    case 'BlobCreated':
      return [change(namesOf(container, url, place?.[2]), created(data))]
    case 'BlobDeleted':
      return [change(namesOf(container, url, place?.[2]), { kind: 'gone' })]
    case 'BlobTierChanged':
    case 'BlobPropertiesUpdated':
      return [change(namesOf(container, url, place?.[2]), { kind: 'metadata' })]
    case 'BlobRenamed': {
      const from = namesOf(container, textAt(data, 'sourceUrl'), undefined)
      const to = namesOf(container, textAt(data, 'destinationUrl'), place?.[2])
      return [change(from, { kind: 'gone' }), change(to, { kind: 'unknown' })]
    }
    case 'DirectoryRenamed':
    case 'DirectoryDeleted':
      // Of what lies below nothing more is told.
      return [change([], { kind: 'unknown' })]
    default:
      return NOTHING
  }
}

function created(data: Json): ToldState {
  const etag = textAt(data, 'eTag')?.replace(/^"(.*)"$/, '$1')
  return { kind: 'version', validators: { etag }, copied: false }
}

/**
 * The names that the event can mean: that of the URL, whose path is percent-encoded, and that of the
 * subject, of which nobody says how it is written.
 */
function namesOf(
  container: string,
  url: string | undefined,
  ofSubject: string | undefined,
): readonly string[] {
  const names = [keyOf(container, url), ofSubject].filter((name) => name !== undefined)
  return names.length > 0 ? [...new Set(names)] : invalid('it names no blob')
}

/** The emulator has the account in front of the container. */
function keyOf(container: string, url: string | undefined): string | undefined {
  if (url === undefined) return undefined
  const path = /^https?:\/\/[^/?#]+\/([^?#]+)/.exec(url)?.[1]
  if (path === undefined) return invalid('its url is none')
  const segments = path.split('/')
  const at = segments.indexOf(container)
  if (at < 0 || at > 1 || at === segments.length - 1)
    return invalid('its url is of another container')
  try {
    return decodeURIComponent(segments.slice(at + 1).join('/'))
  } catch {
    return invalid('its url is badly encoded')
  }
}
