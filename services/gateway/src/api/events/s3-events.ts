import type { Validators } from '@forebay/model/version'
import type { ToldState } from '@forebay/peer/target-port'
import { field, type Json, textAt, timeAt } from './json-fields.ts'
import { invalid, NOTHING, type Told } from './store-change.ts'

/**
 * One record of an S3 event notification, as AWS, MinIO and others send it.
 *
 * AWS and MinIO write keys as in HTML forms (`+` for a space); some stores write them as they are.
 * Where the two readings differ both are told: the wrong one costs a question, the right one is needed.
 */
export function readRecord(record: Json): Told {
  const name = (textAt(record, 'eventName') ?? invalid('a record has no eventName')).replace(
    /^s3:/,
    '',
  )
  const s3 = field(record, 's3')
  const bucket = textAt(s3, 'bucket', 'name') ?? invalid('a record names no bucket')
  const key = textAt(s3, 'object', 'key') ?? invalid('a record names no object')
  const now = stateAfter(name, {
    etag: textAt(s3, 'object', 'eTag'),
    versionId: textAt(s3, 'object', 'versionId'),
  })
  if (now === undefined) return NOTHING
  const keys = [...new Set([decodeForm(key), key])].filter((each) => each !== undefined)
  return [{ source: 's3', bucket, keys, now, changedMs: timeAt(record, 'eventTime') }]
}

/** An event of Amazon EventBridge, where keys stand as they are. */
export function readBridgeEvent(event: Json): Told {
  const type = textAt(event, 'detail-type') ?? invalid('it has no detail-type')
  const detail = field(event, 'detail')
  const bucket = textAt(detail, 'bucket', 'name') ?? invalid('it names no bucket')
  const key = textAt(detail, 'object', 'key') ?? invalid('it names no object')
  const validators = {
    etag: textAt(detail, 'object', 'etag'),
    versionId: textAt(detail, 'object', 'version-id'),
  }
  const now = bridgeState(type, textAt(detail, 'reason'), validators)
  if (now === undefined) return NOTHING
  return [{ source: 's3', bucket, keys: [key], now, changedMs: timeAt(event, 'time') }]
}

/** What a key of HTML forms means; `undefined` when it is none. */
export function decodeForm(key: string): string | undefined {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

function stateAfter(name: string, validators: Validators): ToldState | undefined {
  const [what = '', how = ''] = name.split(':', 2)
  switch (what) {
    case 'ObjectCreated':
      return { kind: 'version', validators: plain(validators), copied: how === 'Copy' }
    case 'ObjectRemoved':
    case 'LifecycleExpiration':
      return { kind: 'gone' }
    case 'ObjectTagging':
      return { kind: 'metadata' }
    case 'ObjectRestore':
    case 'LifecycleTransition':
      return { kind: 'unknown' }
    default:
      return undefined
  }
}

function bridgeState(
  type: string,
  reason: string | undefined,
  validators: Validators,
): ToldState | undefined {
  switch (type) {
    case 'Object Created':
      return {
        kind: 'version',
        validators: plain(validators),
        copied: reason === 'CopyObject' || reason === undefined,
      }
    case 'Object Deleted':
      return { kind: 'gone' }
    case 'Object Tags Added':
    case 'Object Tags Deleted':
      return { kind: 'metadata' }
    case 'Object Restore Completed':
    case 'Object Restore Expired':
    case 'Object Storage Class Changed':
      return { kind: 'unknown' }
    default:
      return undefined
  }
}

/** Without quotes, which some stores leave around the tag, and without the version of unversioned buckets. */
function plain({ etag, versionId }: Validators): Validators {
  return {
    etag: etag?.replace(/^"(.*)"$/, '$1'),
    versionId: versionId === 'null' ? undefined : versionId,
  }
}
