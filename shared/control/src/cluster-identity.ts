import { join } from 'node:path'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import { isNodeId, newNodeId } from '@forebay/base/ids'
import { DOCUMENT_FORMAT, openDocument, sealDocument } from './document.ts'
import { prepareDirectory, readText, replaceFile } from './durable-file.ts'

const KIND = 'node identity'

/** Who a node is: made once, kept for the life of its data directory. */
export interface ClusterIdentity {
  readonly nodeId: string
  readonly clusterId: string
}

/**
 * The identity in the data directory; a fresh one is made and stored where there is none.
 *
 * @throws Failure `format-newer`; `disk-error` when the file cannot be read: a new identity would make
 * this another node, which must be somebody's decision
 */
export async function openIdentity(dataDir: string, clock: Clock): Promise<ClusterIdentity> {
  const path = join(dataDir, 'node.json')
  await prepareDirectory(dataDir, [path])
  const text = await readText(path)
  if (text === undefined) return await createIdentity(path, clock)
  const opened = openDocument(text, KIND)
  const nodeId = opened.kind === 'valid' ? opened.fields.get('nodeId') : undefined
  const clusterId = opened.kind === 'valid' ? opened.head.clusterId : undefined
  if (!isId(nodeId) || !isId(clusterId)) {
    const why = opened.kind === 'corrupt' ? opened.why : 'an id in it is malformed'
    throw new Failure('disk-error', `${path} cannot be read: ${why}`, {
      hint: 'Put a copy of node.json back, or move the whole data directory away to start as a new node.',
    })
  }
  return Object.freeze({ nodeId, clusterId })
}

async function createIdentity(path: string, clock: Clock): Promise<ClusterIdentity> {
  const nodeId = newNodeId()
  const clusterId = newNodeId()
  const { text } = sealDocument(
    { format: DOCUMENT_FORMAT, kind: KIND, clusterId, epoch: 1, version: 1, parentHash: '' },
    { nodeId, createdMs: clock.now() },
  )
  await replaceFile(path, text, 'node-identity')
  return Object.freeze({ nodeId, clusterId })
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && isNodeId(value)
}
