import { readdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCommand } from '../testkit/run-command.ts'
import { temporaryFolder } from '../testkit/servers.ts'
import { makeBody } from './bodies.ts'
import { FaultNode, NATIVE, REMOTE, type Running } from './fault-node.ts'
import { isDone } from './s3-client.ts'
import { S3Origin } from './s3-origin.ts'

/** Objects of each kind. */
const OBJECTS = 20

/** Idle connections of strangers. */
const IDLE = 300

/** Descriptors that are left when the strangers come. */
const SPARE = 6

/** How long a node may need to be itself again, ms (fault table, row 20). */
const RECOVERY_MS = 5000

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let origin: S3Origin
let node: FaultNode
let running: Running

beforeAll(async () => {
  folder = await temporaryFolder('descriptors')
  origin = await S3Origin.start()
  node = new FaultNode({ dataDir: join(folder.path, 'node'), originUrl: origin.url })
  running = await node.start()
})

afterAll(async () => {
  await node?.kill()
  await origin?.close()
  await folder?.remove()
})

const paths = [NATIVE, REMOTE].flatMap((bucket) =>
  Array.from({ length: OBJECTS }, (_, index) => `${bucket}/${index}`),
)

const bodyOf = (path: string) => makeBody({ seed: 20, key: path, version: 1, sizeBytes: 20_000 })

test('a node without descriptors answers rightly or "later", loses no entry, and is itself again', async () => {
  const { client, server } = running
  await client.changeBucket(NATIVE, { action: 'create-bck', value: null })
  for (const path of paths) expect(isDone(await client.put(path, bodyOf(path)))).toBe(true)
  const openCount = readdirSync(`/proc/${server.pid}/fd`).length
  await runCommand('prlimit', ['--pid', `${server.pid}`, `--nofile=${openCount + SPARE}:`])
  const strangers = await connectMany(server.port)
  const answers: string[] = []
  for (const path of paths) answers.push(await outcome(path))
  // Nothing but the bytes, or a refusal that is worth repeating.
  expect(answers.filter((answer) => answer !== 'right' && answer !== '503')).toEqual([])
  expect(answers).toContain('503')
  for (const stranger of strangers) stranger.destroy()
  const deadline = Date.now() + RECOVERY_MS
  while ((await outcome(paths[0] ?? '')) !== 'right') expect(Date.now()).toBeLessThan(deadline)
  for (const path of paths) expect(await outcome(path)).toBe('right')
  const hit = await client.get(`${REMOTE}/0`)
  expect(hit?.headers['forebay-cache']).toBe('hit')
  expect(server.logs()).not.toContain('corrupt')
})

async function outcome(path: string): Promise<string> {
  const answer = await running.client.get(path)
  if (answer === undefined) return 'broken'
  if (answer.status !== 200) return `${answer.status}`
  return answer.body.equals(bodyOf(path)) ? 'right' : 'wrong bytes'
}

/** Connections that send nothing; some are closed at once. */
async function connectMany(port: number): Promise<readonly Socket[]> {
  return Promise.all(
    Array.from({ length: IDLE }, () => {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => undefined)
      return new Promise<Socket>((resolve) => {
        socket.once('connect', () => resolve(socket)).once('close', () => resolve(socket))
      })
    }),
  )
}
