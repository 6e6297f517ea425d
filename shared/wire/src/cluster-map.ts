import type { JsonObject } from './json.ts'

/** A cluster of one node that is gateway and target. */
export interface SingleNode {
  readonly nodeId: string
  readonly clusterId: string
  /** URL under which the client that asks reaches this node, no trailing slash. */
  readonly url: string
  readonly startedMs: number
}

/** AIStore's cluster map of one node: it is primary, gateway and target in one. */
export function encodeClusterMap(node: SingleNode): JsonObject {
  const gateway = encodeNode(node, 'proxy')
  return {
    pmap: { [node.nodeId]: gateway },
    proxy_si: gateway,
    tmap: { [node.nodeId]: encodeNode(node, 'target') },
    uuid: node.clusterId,
    creation_time: new Date(node.startedMs).toISOString().slice(0, 19).replace('T', ' '),
    version: '1',
  }
}

/**
 * One node of the map. `id_digest` serves a client that picks the target itself; with one target
 * any digest picks it.
 */
export function encodeNode(node: SingleNode, type: 'proxy' | 'target'): JsonObject {
  const url = new URL(node.url)
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
  const net = { node_ip_addr: url.hostname, daemon_port: port, direct_url: node.url }
  return {
    public_net: net,
    intra_data_net: net,
    intra_control_net: net,
    daemon_type: type,
    daemon_id: node.nodeId,
    flags: 0,
    id_digest: 0,
  }
}
