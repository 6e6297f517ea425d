import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { signed, toBytes } from './raw-client.ts'
import { ADMIN, BadInputRig, BUCKETS, SECRETS } from './rig.ts'

const MUTATIONS = 10_000
const CONNECTIONS = 16
const PIPELINED = 40
/** Silence after which a connection counts as stuck, ms. */
const STUCK_MS = 10_000

let rig: BadInputRig

beforeAll(async () => {
  rig = await BadInputRig.start()
  for (const bucket of BUCKETS) await rig.ask('PUT', `/${bucket}/victim`, 'untouched')
})
afterAll(() => rig.close())

/** Numbers below `bound`, the same every time (mulberry32). */
function randomFrom(seed: number): (bound: number) => number {
  let state = seed
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % bound
  }
}

/** A signed request in which one byte, of what is signed or of the signature, is another one. */
function mutate(random: (bound: number) => number): Buffer {
  const method = (['GET', 'PUT', 'DELETE', 'HEAD'] as const)[random(4)] ?? 'GET'
  const bucket = BUCKETS[random(2)] ?? 'native'
  const request = signed({
    ...{ method, target: `/${bucket}/victim?x-id=a`, keys: ADMIN, host: rig.host },
    headers: { 'x-amz-meta-a': 'value' },
  })
  const bytes = toBytes(request)
  const text = bytes.toString('latin1')
  // Names of headers are the same in any case, and the length frames the message: both stay.
  const places = [
    /(?<=^\w+ )\S+/.exec(text),
    ...['host', 'authorization', 'x-amz-date', 'x-amz-content-sha256', 'x-amz-meta-a'].map((name) =>
      new RegExp(`(?<=\\r\\n${name}: )[^\\r]+`).exec(text),
    ),
  ]
  const place = places[random(places.length)]
  if (place === null || place === undefined) throw new Error(`no place to change in ${text}`)
  const at = place.index + random(place[0].length)
  bytes[at] = ((bytes[at] ?? 0) + 1 + random(255)) % 256
  return bytes
}

/** Sends requests over one connection; returns the statuses that came before it ended. */
function pipeline(requests: readonly Buffer[]): Promise<readonly string[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>()
  const socket = connect(rig.port, '127.0.0.1')
  let text = ''
  const statuses = (): readonly string[] =>
    [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => match[1] ?? '')
  socket.setTimeout(STUCK_MS, () => {
    socket.destroy()
    reject(new Error(`stuck after ${statuses().length} of ${requests.length} answers`))
  })
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    if (statuses().length >= requests.length) socket.end()
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', () => resolve(statuses()))
  socket.write(Buffer.concat(requests))
  return promise
}

test('10,000 signed requests with one byte changed are refused, each with 400 or 403', async () => {
  const random = randomFrom(20_261_121)
  const counts = new Map<string, number>()
  let left = MUTATIONS
  const work = async (): Promise<void> => {
    while (left > 0) {
      const batch = Array.from({ length: Math.min(PIPELINED, left) }, () => mutate(random))
      left -= batch.length
      for (let rest = batch; rest.length > 0; ) {
        const statuses = await pipeline(rest)
        // A connection that ends without a word has left its first request unanswered.
        for (const status of statuses) counts.set(status, (counts.get(status) ?? 0) + 1)
        if (statuses.length === 0) counts.set('none', (counts.get('none') ?? 0) + 1)
        const wrong = statuses.findIndex((status) => status !== '400' && status !== '403')
        if (wrong >= 0) throw new Error(`${statuses[wrong]} to ${rest[wrong]?.toString('latin1')}`)
        rest = rest.slice(Math.max(1, statuses.length))
      }
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, work))
  expect([...counts.keys()].sort()).toEqual(['400', '403'])
  expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(MUTATIONS)
})

test('afterwards nothing has changed, the server answers, and no secret was told', async () => {
  for (const bucket of BUCKETS) {
    expect((await rig.ask('GET', `/${bucket}/victim`)).body).toBe('untouched')
  }
  expect((await rig.atOrigin('GET', '/remote/victim')).body).toBe('untouched')
  const said = await rig.said()
  for (const secret of SECRETS) expect(secret.exec(said)?.[0]).toBeUndefined()
})
