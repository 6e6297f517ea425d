import type { ToldState } from '@forebay/peer/target-port'
import { type Json, textAt, timeAt } from './json-fields.ts'
import { invalid, NOTHING, type Told } from './store-change.ts'

/** The attributes of a Pub/Sub message of Cloud Storage, which say all that is needed. */
export function readAttributes(message: Json): Told {
  const at = (name: string): string | undefined => textAt(message, 'attributes', name)
  const bucket = at('bucketId') ?? invalid('the Pub/Sub message has no attribute bucketId')
  const key = at('objectId') ?? invalid('the Pub/Sub message has no attribute objectId')
  const now = stateAfter(at('eventType') ?? invalid('it has no attribute eventType'), {
    generation: at('objectGeneration'),
    overwrittenBy: at('overwrittenByGeneration'),
  })
  if (now === undefined) return NOTHING
  const changedMs = timeAt(message, 'attributes', 'eventTime') ?? timeAt(message, 'publishTime')
  return [{ source: 'gcs', bucket, keys: [key], now, changedMs }]
}

/** An object of Cloud Storage, of which is not said what happened to it (Eventarc). */
export function readObject(object: Json): Told {
  const bucket = textAt(object, 'bucket') ?? invalid('it names no bucket')
  const key = textAt(object, 'name') ?? invalid('it names no object')
  const changedMs = timeAt(object, 'updated')
  return [{ source: 'gcs', bucket, keys: [key], now: { kind: 'unknown' }, changedMs }]
}

function stateAfter(
  type: string,
  object: { readonly generation: string | undefined; readonly overwrittenBy: string | undefined },
): ToldState | undefined {
  switch (type) {
    case 'OBJECT_FINALIZE':
      return { kind: 'version', validators: { generation: object.generation }, copied: false }
    case 'OBJECT_DELETE':
    case 'OBJECT_ARCHIVE': {
      // An overwrite tells of the old generation too, and of the one that took its place.
      const { overwrittenBy: generation } = object
      if (generation === undefined) return { kind: 'gone' }
      return { kind: 'version', validators: { generation }, copied: false }
    }
    case 'OBJECT_METADATA_UPDATE':
      return { kind: 'metadata' }
    default:
      return undefined
  }
}
