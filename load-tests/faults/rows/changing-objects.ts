import { type BodyName, describeBytes, makeBody } from '../bodies.ts'
import { REMOTE } from '../fault-node.ts'
import { History } from '../history.ts'
import { Random } from '../random.ts'
import type { Answer, S3Client } from '../s3-client.ts'
import { Checks, type FaultRow, onNode, pause } from './row.ts'

const isBody = (answer: Answer | undefined, name: BodyName): boolean =>
  answer?.status === 200 &&
  answer.body.length === name.sizeBytes &&
  answer.body.equals(makeBody(name))

/** Row 16: another version turns up between the ranges of one large object. */
export const betweenRanges: FaultRow = {
  number: 16,
  title: 'backend object changes between ranges: one version or none',
  inTests: false,
  run: ({ seed, scale }) =>
    onNode({}, async ({ client, origin }) => {
      const checks = new Checks()
      const random = new Random(seed, 'ranges')
      await client.ask({ method: 'HEAD', target: `/${REMOTE}/none` })
      await client.changeBucket(REMOTE, {
        action: 'set-bprops',
        value: { forebay: { blockSize: '64KiB', sparseThreshold: '256KiB' } },
      })
      const tally = { old: 0, new: 0, refused: 0 }
      const rounds = scale === 'long' ? 60 : 10
      for (let round = 0; round < rounds; round++) {
        const path = `${REMOTE}/ranged-${round}`
        const old: BodyName = { seed, key: path, version: 1, sizeBytes: 2_000_000 }
        const next: BodyName = { ...old, version: 2 }
        origin.put(path, makeBody(old))
        // A few blocks are there; the rest comes by ranges pinned to their version.
        await client.get(path, { first: 700_000, last: 900_000 })
        const swapAt = random.below(4)
        let reads = 0
        origin.spoil = ({ method }) => {
          if (method === 'GET' && reads++ === swapAt) origin.put(path, makeBody(next))
          return undefined
        }
        const answer = await client.get(path)
        origin.spoil = () => undefined
        if (isBody(answer, old)) tally.old += 1
        else if (isBody(answer, next)) tally.new += 1
        else if (answer === undefined || answer.status >= 500) tally.refused += 1
        else checks.that(false, `round ${round}: ${describeBytes(answer.body, [old, next])}`)
      }
      const figures = `${rounds} swaps: ${tally.old} old, ${tally.new} new, ${tally.refused} refused or cut`
      return { figures, violations: checks.violations }
    }),
}

/** Row 17: objects that come, change and go at the backend without the node. */
export const behindTheCache: FaultRow = {
  number: 17,
  title: 'backend object changed or deleted behind the cache: stale within its ttl only',
  run: ({ seed }) =>
    onNode({ args: ['--set', 'cache.revalidateTtl=1s'] }, async ({ client, origin }) => {
      const checks = new Checks()
      const path = `${REMOTE}/behind`
      const old: BodyName = { seed, key: path, version: 1, sizeBytes: 50_000 }
      const next: BodyName = { ...old, version: 2 }
      const absent = await client.get(path)
      checks.that(absent?.status === 404, `before it was there: ${absent?.status}`)
      origin.put(path, makeBody(old))
      checks.that(isBody(await client.get(path), old), 'absent although it is there: 404 was kept')
      origin.put(path, makeBody(next))
      const within = await client.get(path)
      checks.that(isBody(within, old) || isBody(within, next), 'neither version within the ttl')
      const latest = await client.ask({
        method: 'GET',
        target: `/v1/objects/${path}?provider=aws&latest-ver=true`,
      })
      checks.that(isBody(latest, next), `latest-ver=true is not the newest: ${latest?.status}`)
      await pause(1100)
      checks.that(isBody(await client.get(path), next), 'stale beyond its ttl')
      origin.remove(path)
      await pause(1100)
      const gone = await client.get(path)
      checks.that(gone?.status === 404, `served beyond its ttl although deleted: ${gone?.status}`)
      const figures = `within the ttl ${isBody(within, old) ? 'old' : 'new'}, latest-ver new, then new, then 404`
      return { figures, violations: checks.violations }
    }),
}

/** Row 22: many readers of one object that nobody has. */
export const herd: FaultRow = {
  number: 22,
  title:
    '500 readers of one cold object: one GET; the first may leave; a failure is for those who wait',
  run: ({ seed }) =>
    onNode({}, async ({ client, origin }) => {
      const checks = new Checks()
      const gets = new Map<string, number>()
      let failing = false
      origin.spoil = ({ method, key }) => {
        if (method === 'GET') gets.set(key, (gets.get(key) ?? 0) + 1)
        return failing && method === 'GET' ? { kind: 'status', status: 500 } : undefined
      }
      const nameOf = (key: string): BodyName => ({
        ...{ seed, key: `${REMOTE}/${key}`, version: 1, sizeBytes: 1_000_000 },
      })
      const ask = (key: string, signal?: AbortSignal) =>
        client.ask({
          method: 'GET',
          target: `/${REMOTE}/${key}`,
          ...(signal === undefined ? {} : { signal }),
        })
      for (const key of ['many', 'left', 'failed']) {
        origin.put(`${REMOTE}/${key}`, makeBody(nameOf(key)))
      }
      await client.get(`${REMOTE}/none`)
      const many = await Promise.all(Array.from({ length: 500 }, () => ask('many')))
      const right = many.filter((answer) => isBody(answer, nameOf('many'))).length
      checks.that(right === 500, `${right} of 500 are right`)
      checks.that(gets.get('many') === 1, `${gets.get('many')} GETs for 500 readers`)
      const leaving = new AbortController()
      const first = ask('left', leaving.signal)
      const others = Array.from({ length: 20 }, () => ask('left'))
      setTimeout(() => leaving.abort(), 5)
      await first
      const stayed = (await Promise.all(others)).filter((each) => isBody(each, nameOf('left')))
      checks.that(stayed.length === 20, `${stayed.length} of 20 are right after the first left`)
      checks.that(gets.get('left') === 1, `${gets.get('left')} GETs after the first left`)
      failing = true
      const failed = await Promise.all(Array.from({ length: 20 }, () => ask('failed')))
      const clear = failed.filter((each) => each !== undefined && each.status >= 500).length
      checks.that(clear === 20, `${clear} of 20 got the failure`)
      const tries = gets.get('failed') ?? 0
      checks.that(tries <= 6, `${tries} GETs for one object that fails`)
      failing = false
      checks.that(
        isBody(await ask('failed'), nameOf('failed')),
        'the next request does not succeed',
      )
      const figures = `1 GET for 500, ${gets.get('left')} with the first gone, ${tries} for 20 that fail`
      return { figures, violations: checks.violations }
    }),
}

/** Row 31: one key that is read, overwritten and evicted at once. */
export const evictReadWrite: FaultRow = {
  number: 31,
  title: 'evict, read and overwrite of one key: every answer is a version of its time',
  run: ({ seed, scale }) =>
    onNode({}, async ({ client }) => {
      const checks = new Checks()
      const key = 'contended'
      const path = `${REMOTE}/${key}`
      const history = new History<BodyName>(undefined)
      const end = performance.now() + (scale === 'long' ? 60_000 : 3000)
      const random = new Random(seed, 'contended')
      const tally = { reads: 0, writes: 0, evictions: 0, cut: 0 }
      const read = async (): Promise<void> => {
        while (performance.now() < end) {
          const startMs = performance.now()
          const answer = await client.get(path)
          const span = { startMs, endMs: performance.now() }
          history.forget(startMs - 10_000)
          if (answer === undefined) {
            tally.cut += 1
            continue
          }
          tally.reads += 1
          const verdict = history.read(span, (name) =>
            name === undefined ? answer.status === 404 : isBody(answer, name),
          )
          if (verdict.kind === 'allowed') continue
          const names = history.writes.flatMap(({ value }) => value ?? [])
          const what = describeBytes(answer.body, names)
          checks.that(false, `${verdict.kind} ${answer.status}: ${what}`)
        }
      }
      const write = async (): Promise<void> => {
        for (let version = 1; performance.now() < end; version++) {
          const sizeBytes = random.pick([10, 30_000, 600_000])
          const name: BodyName = { seed, key: path, version, sizeBytes }
          const begun = history.begin(name, performance.now())
          const answer = await client.put(path, makeBody(name))
          const done = checks.that(answer?.status === 200, `a write got ${answer?.status}`)
          if (done) history.acknowledge(begun, performance.now())
          tally.writes += 1
          await pause(random.below(30))
        }
      }
      const evict = async (): Promise<void> => {
        while (performance.now() < end) {
          const answer = await evictKey(client, key)
          const fine = answer?.status === 200 || answer?.status === 404
          checks.that(fine, `an eviction got ${answer?.status}`)
          tally.evictions += 1
          await pause(random.below(10))
        }
      }
      await Promise.all([write(), evict(), ...Array.from({ length: 8 }, read)])
      checks.that(tally.cut === 0, `${tally.cut} answers were cut`)
      const figures = `${tally.reads} reads, ${tally.writes} writes, ${tally.evictions} evictions`
      return { figures, violations: checks.violations }
    }),
}

function evictKey(client: S3Client, key: string): Promise<Answer | undefined> {
  return client.ask({
    method: 'DELETE',
    target: `/v1/objects/${REMOTE}/${key}?provider=aws`,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ action: 'evict-listrange', name: key, value: null }),
  })
}
