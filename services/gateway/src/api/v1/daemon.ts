import { Failure } from '@forebay/base/failure'
import { encodeClusterMap, encodeNode, type SingleNode } from '@forebay/wire/cluster-map'
import type { Exchange } from './exchange.ts'
import { answerMountpathLists } from './mountpaths.ts'

/** Questions that AIStore's nodes answer and that are not built here. */
const UNBUILT = [
  'bmd',
  'config',
  'node_status',
  'node_stats',
  'metrics',
  'sysinfo',
  'log',
  'disk',
  'software_version',
  'tls_certificate',
  'smapvote',
  'remote',
] as const

/** `GET /v1/daemon?what=smap|snode|mountpaths`: the cluster of one node, at the address that the client used. */
export function answerDaemon(exchange: Exchange): void {
  exchange.authorise('read')
  const what = exchange.query.get('what') ?? ''
  if (what === 'smap') exchange.sendJson(encodeClusterMap(selfOf(exchange)))
  else if (what === 'snode') exchange.sendJson(encodeNode(selfOf(exchange), 'proxy'))
  else if (what === 'mountpaths') answerMountpathLists(exchange)
  else if (UNBUILT.some((known) => known === what)) {
    throw new Failure('not-implemented', `what=${what} is not built yet`)
  } else {
    throw new Failure('argument-invalid', `unrecognized 'what=${what.slice(0, 64)}' query`)
  }
}

/** Clients leave the URL that they were given for this one, so it is the one that worked for them. */
function selfOf(exchange: Exchange): SingleNode {
  const { context, raw } = exchange
  const scheme = 'encrypted' in raw.socket && raw.socket.encrypted === true ? 'https' : 'http'
  const host = exchange.header('host') ?? ''
  const { localAddress = '127.0.0.1', localPort = 80 } = raw.socket
  const fallback = localAddress.includes(':') ? `[${localAddress}]` : localAddress
  const authority = /^[A-Za-z0-9.-]+(:\d{1,5})?$|^\[[0-9a-fA-F:.]+\](:\d{1,5})?$/.test(host)
    ? host
    : `${fallback}:${localPort}`
  return {
    nodeId: context.nodeId,
    clusterId: context.clusterId,
    url: `${scheme}://${authority}`,
    startedMs: context.startedMs,
  }
}
