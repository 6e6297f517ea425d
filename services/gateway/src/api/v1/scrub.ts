import { parseBytes } from '@forebay/base/bytes'
import { Failure } from '@forebay/base/failure'
import type { ScrubFinding, ScrubPass, ScrubPort, ScrubStatus } from '@forebay/peer/scrub-port'
import { openKnownBucket } from './address.ts'
import type { Exchange } from './exchange.ts'

const METHODS = ['GET', 'POST', 'DELETE'] as const

/**
 * `/v1/forebay/scrub`: GET tells how far it is (`?findings=true` with what was found), POST begins a
 * pass (`?bucket=&provider=&prefix=&rate=`), DELETE ends the one under way.
 */
export async function answerScrub(exchange: Exchange): Promise<void> {
  const { method, query, context } = exchange
  const scrub = context.scrub
  if (scrub === undefined) throw new Failure('not-implemented', 'this node has nothing to scrub')
  switch (method) {
    case 'GET': {
      const withFindings = query.get('findings') === 'true'
      // What was found names keys and files.
      exchange.authorise(withFindings ? 'admin' : 'read')
      return exchange.sendJson(encodeStatus(scrub.status(), withFindings))
    }
    case 'POST':
      exchange.authorise('admin')
      return exchange.sendJson(encodeStatus(await start(exchange, scrub), false))
    case 'DELETE':
      exchange.authorise('admin')
      return exchange.sendJson(encodeStatus(await scrub.stop(), false))
    default:
      throw new Failure('method-not-allowed', `this path takes ${METHODS.join(', ')}`, {
        facts: { allow: METHODS.join(', ') },
      })
  }
}

async function start(exchange: Exchange, scrub: ScrubPort): Promise<ScrubStatus> {
  const { query } = exchange
  const name = query.get('bucket')
  const rate = query.get('rate')
  const bytesPerSecond = rate === undefined ? undefined : parseBytes(rate)
  if (name === undefined) {
    const alone = ['prefix', 'provider'].find((one) => query.get(one) !== undefined)
    if (alone === undefined) return scrub.start({ bytesPerSecond })
    throw new Failure('argument-invalid', `the query ${alone} needs the query bucket`)
  }
  const bucket = await openKnownBucket(exchange, encodeURIComponent(name), 'admin')
  const scope = { bucketId: bucket.id, prefix: query.get('prefix') ?? '' }
  return scrub.start({ scope, bytesPerSecond })
}

function encodeStatus(status: ScrubStatus, withFindings: boolean) {
  const { state, waitsFor, pass, lastWhole, nextMs, findings } = status
  return {
    state,
    waitsFor: waitsFor ?? null,
    pass: pass === undefined ? null : encodePass(pass),
    lastWhole: lastWhole === undefined ? null : encodePass(lastWhole),
    totalObjects: status.totalObjects ?? null,
    totalBytes: status.totalBytes ?? null,
    bytesPerSecond: status.bytesPerSecond ?? null,
    remainingSeconds: status.remainingSeconds ?? null,
    next: nextMs === undefined ? null : timeOf(nextMs),
    ...(withFindings ? { findings: findings.map(encodeFinding) } : {}),
  }
}

function encodePass({ startedMs, endedMs, scope, ...counts }: ScrubPass) {
  const ended = endedMs === undefined ? null : timeOf(endedMs)
  return { ...counts, scope: scope ?? null, started: timeOf(startedMs), ended }
}

function encodeFinding({ foundMs, bucket, key, ...finding }: ScrubFinding) {
  return { ...finding, bucket: bucket ?? null, key: key ?? null, found: timeOf(foundMs) }
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString()
}
