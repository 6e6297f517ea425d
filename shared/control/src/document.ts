import { createHash } from 'node:crypto'
import { Failure } from '@forebay/base/failure'

/** Newest format that this program writes and reads. */
export const DOCUMENT_FORMAT = 1

/**
 * What every metadata document says of itself (rule 13): a document with a higher (epoch, version) of
 * the same cluster is newer; the same version with another hash is an alarm.
 */
export interface DocumentHead {
  readonly format: number
  readonly kind: string
  readonly clusterId: string
  readonly epoch: number
  readonly version: number
  /** Hash of the version that this one was made from; empty for the first. */
  readonly parentHash: string
}

/** The text of a document with its hash, which covers head and content. */
export function sealDocument(
  head: DocumentHead,
  content: Readonly<Record<string, unknown>>,
): { readonly text: string; readonly hash: string } {
  const document = { ...head, ...content }
  const hash = hashOf(JSON.stringify(document))
  return { text: `${JSON.stringify({ hash, ...document }, undefined, 1)}\n`, hash }
}

export type OpenedDocument =
  | {
      readonly kind: 'valid'
      readonly head: DocumentHead
      readonly hash: string
      readonly fields: ReadonlyMap<string, unknown>
    }
  | { readonly kind: 'corrupt'; readonly why: string }

/**
 * Reads a sealed document of the given kind and checks its hash.
 *
 * @throws Failure `format-newer` when a later version of Forebay wrote it
 */
export function openDocument(text: string, kind: string): OpenedDocument {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return { kind: 'corrupt', why: 'it is not JSON' }
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    return { kind: 'corrupt', why: 'it is not an object' }
  }
  const fields = new Map<string, unknown>(Object.entries(parsed))
  const format = fields.get('format')
  // Before the hash, which a later format may compute in another way.
  if (typeof format === 'number' && format > DOCUMENT_FORMAT) {
    throw new Failure(
      'format-newer',
      `the ${kind} has format ${format}, this program knows up to ${DOCUMENT_FORMAT}; start a newer Forebay`,
    )
  }
  const hash = fields.get('hash')
  fields.delete('hash')
  if (hash !== hashOf(JSON.stringify(Object.fromEntries(fields)))) {
    return { kind: 'corrupt', why: 'its hash does not match' }
  }
  const head = readHead(fields, kind)
  if (head === undefined || typeof hash !== 'string') {
    return { kind: 'corrupt', why: `it is not a ${kind}` }
  }
  return { kind: 'valid', head, hash, fields }
}

type Age = Pick<DocumentHead, 'epoch' | 'version'>

/** Positive when `a` is newer than `b`. */
export function compareDocuments(a: Age, b: Age): number {
  return a.epoch - b.epoch || a.version - b.version
}

function readHead(fields: ReadonlyMap<string, unknown>, kind: string): DocumentHead | undefined {
  const clusterId = fields.get('clusterId')
  const epoch = fields.get('epoch')
  const version = fields.get('version')
  const parentHash = fields.get('parentHash')
  if (
    fields.get('kind') !== kind ||
    fields.get('format') !== DOCUMENT_FORMAT ||
    typeof clusterId !== 'string' ||
    typeof epoch !== 'number' ||
    typeof version !== 'number' ||
    typeof parentHash !== 'string'
  ) {
    return undefined
  }
  return { format: DOCUMENT_FORMAT, kind, clusterId, epoch, version, parentHash }
}

function hashOf(body: string): string {
  return createHash('sha256').update(body).digest('hex')
}
