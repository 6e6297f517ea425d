import { readMetric } from '../../testkit/metrics.ts'
import { makeBody } from '../bodies.ts'
import { REMOTE } from '../fault-node.ts'
import type { OriginFault } from '../origin-faults.ts'
import type { Answer } from '../s3-client.ts'
import { Checks, type FaultRow, onNode, pause, type Scene, until } from './row.ts'

/** Everything gets stale soon, and may be served stale. */
const STALE_SOON = ['--set', 'cache.revalidateTtl=1s', '--set', 'cache.staleIfError=1h'] as const

/** The node's wait for an answer in these rows, ms. */
const PROGRESS_MS = 1000

const bodyOf = (path: string, sizeBytes = 60_000, version = 1): Buffer =>
  makeBody({ seed: 13, key: path, version, sizeBytes })

/** Puts objects at the origin behind the node's back. */
function seedOrigin({ origin }: Scene, name: string, count: number): readonly string[] {
  const paths = Array.from({ length: count }, (_, index) => `${REMOTE}/${name}-${index}`)
  for (const path of paths) origin.put(path, bodyOf(path))
  return paths
}

/** True for a 5xx that says when to come again. */
function isClear(answer: Answer | undefined): boolean {
  return answer !== undefined && answer.status >= 500 && answer.headers['retry-after'] !== undefined
}

const isRight = (answer: Answer | undefined, path: string): boolean =>
  answer?.status === 200 && answer.body.equals(bodyOf(path))

/** Row 13: the load that a store in trouble gets, and what is served meanwhile. */
export const bursts: FaultRow = {
  number: 13,
  title: 'backend 503, 429, 500: a tenth more requests at most, then none; the cache serves on',
  run: ({ scale }) =>
    onNode({ args: STALE_SOON }, async (scene) => {
      const checks = new Checks()
      const figures: string[] = []
      const warm = seedOrigin(scene, 'warm', 20)
      for (const path of warm) await scene.client.get(path)
      const statuses = scale === 'long' ? ([503, 429, 500] as const) : ([503] as const)
      for (const status of statuses) figures.push(await burst(scene, { status, warm, checks }))
      return { figures: figures.join('; '), violations: checks.violations }
    }),
}

async function burst(
  scene: Scene,
  given: {
    readonly status: 429 | 500 | 503
    readonly warm: readonly string[]
    readonly checks: Checks
  },
): Promise<string> {
  const { origin, client, server } = scene
  const { status, warm, checks } = given
  const cold = seedOrigin(scene, `cold-${status}`, 60)
  await pause(1100)
  const counted = origin.requestCount
  origin.spoil = () => ({ kind: 'status', status })
  let asked = 0
  const isOpen = async () => (await readMetric(server.url, 'forebay_backend_circuit')) === 2
  const openedMs = await until(async () => {
    const path = cold[asked % cold.length] ?? ''
    asked += 1
    checks.that(isClear(await client.get(path)), `${status}: no clear refusal of ${path}`)
    return isOpen()
  }, 20_000)
  checks.that(openedMs < 20_000, `${status}: the circuit did not open`)
  const attempts = origin.requestCount - counted
  const bound = asked * 1.1 + 10
  checks.that(attempts <= bound, `${status}: ${attempts} requests at the origin, bound ${bound}`)
  const opened = origin.requestCount
  for (const path of warm) {
    const answer = await client.get(path)
    checks.that(isRight(answer, path), `${status}: ${path} is not served: ${answer?.status}`)
  }
  for (const path of cold) await client.get(path)
  const whileOpen = origin.requestCount - opened
  checks.that(whileOpen <= 2, `${status}: ${whileOpen} requests while the circuit is open`)
  origin.spoil = () => undefined
  const first = cold[0] ?? ''
  const backMs = await until(async () => isRight(await client.get(first), first), 20_000)
  checks.that(backMs < 20_000, `${status}: it did not come back`)
  return `${status}: ${attempts} origin requests for ${asked} reads, open after ${openedMs.toFixed(0)} ms, ${whileOpen} while open, back in ${backMs.toFixed(0)} ms`
}

/** Row 14: an origin that accepts and says nothing. */
export const silence: FaultRow = {
  number: 14,
  title: 'backend silent: 504 at the deadline, connections closed',
  // A busy machine is late for reasons of its own.
  inTests: false,
  run: () =>
    onNode(
      { args: ['--set', `backends.limits.progressTimeout=${PROGRESS_MS}ms`] },
      async (scene) => {
        const checks = new Checks()
        const paths = seedOrigin(scene, 'silent', 4)
        await scene.client.get(paths[0] ?? '')
        scene.origin.spoil = () => ({ kind: 'stall' })
        const took: number[] = []
        const reads = paths.slice(1).map(async (path) => {
          const startedMs = performance.now()
          const answer = await scene.client.get(path)
          took.push(performance.now() - startedMs)
          const clear = isClear(answer) && answer?.status === 504
          checks.that(clear, `${path}: ${answer?.status} instead of 504`)
        })
        await Promise.all(reads)
        const [worst, least] = [Math.max(...took), Math.min(...took)]
        checks.that(least >= PROGRESS_MS * 0.9, `given up after ${least} ms`)
        checks.that(worst <= PROGRESS_MS * 2, `given up only after ${worst} ms`)
        const closedMs = await until(async () => (await scene.origin.connectionCount()) <= 2, 5000)
        checks.that(closedMs < 5000, 'connections are left open')
        scene.origin.spoil = () => undefined
        for (const path of paths) {
          checks.that(
            isRight(await scene.client.get(path), path),
            `${path} is not right afterwards`,
          )
        }
        const figures = `deadline ${PROGRESS_MS} ms, answered after ${least.toFixed(0)} to ${worst.toFixed(0)} ms`
        return { figures, violations: checks.violations }
      },
    ),
}

const BODY_FAULTS: readonly OriginFault[] = [
  { kind: 'cut', share: 0 },
  { kind: 'cut', share: 0.7 },
  { kind: 'short' },
  { kind: 'long' },
  { kind: 'length' },
  { kind: 'byte' },
  { kind: 'stall-body', share: 0.5 },
]

/** Row 15: an origin that spoils each answer about a key, and then no more. */
export const spoiltBodies: FaultRow = {
  number: 15,
  title: 'backend cuts, shortens, lengthens, changes a body: never whole, never cached',
  run: () =>
    onNode(
      { args: ['--set', `backends.limits.progressTimeout=${PROGRESS_MS}ms`] },
      async (scene) => {
        const { origin, client } = scene
        const checks = new Checks()
        const figures = await Promise.all(
          BODY_FAULTS.map(async (fault, index) => {
            const key = `spoilt-${index}`
            const path = `${REMOTE}/${key}`
            origin.put(path, bodyOf(path))
            spoilKey(scene, key, fault)
            const spoilt = await client.get(path)
            const name = fault.kind
            // Bytes beyond the announced ones are no part of the answer: the announced ones are right.
            const mayBeRight = name === 'long' && isRight(spoilt, path)
            const refused = spoilt === undefined || isClear(spoilt)
            checks.that(refused || mayBeRight, `${name}: answered ${spoilt?.status} as if whole`)
            spoilKey(scene, key, undefined)
            const healed = await client.get(path)
            checks.that(isRight(healed, path), `${name}: wrong after the origin was mended`)
            const cached = healed?.headers['forebay-cache']
            const clean = cached === 'miss' || cached === 'partial' || mayBeRight
            checks.that(clean, `${name}: the spoilt body was cached (${cached})`)
            return `${name} ${spoilt === undefined ? 'cut' : spoilt.status}`
          }),
        )
        return { figures: figures.join(', '), violations: checks.violations }
      },
    ),
}

const spoiltKeys = new WeakMap<object, Map<string, OriginFault>>()

function spoilKey({ origin }: Scene, key: string, fault: OriginFault | undefined): void {
  const known = spoiltKeys.get(origin) ?? new Map<string, OriginFault>()
  spoiltKeys.set(origin, known)
  if (fault === undefined) known.delete(key)
  else known.set(key, fault)
  origin.spoil = ({ method, key: asked }) => (method === 'GET' ? known.get(asked) : undefined)
}

/** Row 29: names that no server knows, and hosts whose first address refuses. */
export const names: FaultRow = {
  number: 29,
  title:
    'DNS failure: the cache serves, the rest is a clear 5xx; a dead IPv6 address is passed over',
  run: () =>
    onNode({ args: STALE_SOON }, async (scene) => {
      const checks = new Checks()
      const [warm = '', cold = ''] = seedOrigin(scene, 'named', 2)
      await scene.client.get(warm)
      const { port } = new URL(scene.origin.url)
      await scene.node.stop()
      // The origin listens on 127.0.0.1 alone, and localhost is ::1 first on many machines.
      const local = await scene.node.start('', { endpoint: `http://localhost:${port}` })
      checks.that(isRight(await local.client.get(cold), cold), 'localhost is not reached')
      await scene.node.stop()
      const lost = await scene.node.start('', { endpoint: `http://no-such-host.invalid:${port}` })
      await pause(1100)
      const served = await lost.client.get(warm)
      checks.that(isRight(served, warm), `what is cached is not served: ${served?.status}`)
      const refused = await lost.client.get(`${REMOTE}/never-seen`)
      checks.that(isClear(refused), `no clear refusal: ${refused?.status}`)
      return {
        figures: `cached: ${served?.headers['forebay-cache']}, absent: ${refused?.status}`,
        violations: checks.violations,
      }
    }),
}
