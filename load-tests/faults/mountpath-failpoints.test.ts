import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../testkit/servers.ts'
import { makeBody } from './bodies.ts'
import { FaultNode, NATIVE } from './fault-node.ts'
import { MAINTENANCE } from './maintenance-points.ts'
import { isDone, type S3Client } from './s3-client.ts'
import { S3Origin } from './s3-origin.ts'

const PATHS = Array.from({ length: 12 }, (_, at) => `${NATIVE}/kept-${at}`)

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let origin: S3Origin

beforeAll(async () => {
  folder = await temporaryFolder('mountpaths')
  origin = await S3Origin.start()
})

afterAll(async () => {
  await origin?.close()
  await folder?.remove()
})

const at = (name: string): string => join(folder.path, name)
const bodyOf = (path: string) => makeBody({ seed: 7, key: path, version: 1, sizeBytes: 5000 })

/** Two mountpaths from the settings, with the index apart; a third comes and goes. */
function openNode(): FaultNode {
  const args = ['--mountpath', at('a'), '--mountpath', at('b')]
  return new FaultNode({
    dataDir: at('data'),
    originUrl: origin.url,
    args: [...args, '--set', `store.indexDir=${at('index')}`],
  })
}

async function change(
  client: S3Client,
  method: 'PUT' | 'POST' | 'DELETE',
  action: { readonly action: string; readonly value: string; readonly query?: string },
) {
  const { query = '', ...body } = action
  return client.ask({
    method,
    target: `/v1/daemon/mountpaths${query}`,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}

async function listed(client: S3Client): Promise<Readonly<Record<string, readonly string[]>>> {
  const answer = await client.ask({ method: 'GET', target: '/v1/daemon?what=mountpaths' })
  return JSON.parse(String(answer?.body ?? '{}'))
}

async function writeAll(client: S3Client): Promise<void> {
  for (const path of PATHS) expect(isDone(await client.put(path, bodyOf(path))), path).toBe(true)
}

async function expectAll(client: S3Client): Promise<void> {
  for (const path of PATHS) {
    const answer = await client.get(path)
    expect(answer?.status, path).toBe(200)
    expect(answer?.body.equals(bodyOf(path)), `bytes of ${path}`).toBe(true)
  }
}

/** Starts a node that dies at the point; what it was doing before may lead there, or `act` does. */
async function dieAt(
  node: FaultNode,
  point: string,
  act: (client: S3Client) => Promise<unknown>,
): Promise<void> {
  const running = await node.start(`${point}=kill@1`).catch(() => undefined)
  if (running === undefined) return
  await act(running.client).catch(() => undefined)
  expect(await node.died(), `the process passes ${point}`).toBe(true)
}

test('a node that is killed while a mountpath comes, leaves or returns has every object', async () => {
  for (const name of ['a', 'b', 'c']) await mkdir(at(name))
  const node = openNode()
  try {
    const first = await node.start()
    await first.client.changeBucket(NATIVE, { action: 'create-bck', value: null })
    await writeAll(first.client)
    await node.kill()
    const attach = (client: S3Client) =>
      change(client, 'PUT', { action: 'attach-mp', value: at('c') })
    for (const point of MAINTENANCE.mountpathAttach) await dieAt(node, point, attach)
    const attached = await node.start()
    expect((await listed(attached.client))['available']).toContain(at('c'))
    await writeAll(attached.client)
    await node.kill()

    // From the first on the emptying goes on by itself after each start.
    for (const point of MAINTENANCE.mountpathLeave) {
      await dieAt(node, point, async (client) => {
        if (point === 'drain:begun') {
          await change(client, 'DELETE', { action: 'detach-mp', value: at('c') })
        }
      })
    }
    const left = await node.start()
    expect(Object.values(await listed(left.client)).flat()).not.toContain(at('c'))
    await expectAll(left.client)

    const force = { action: 'disable-mp', value: at('b'), query: '?dntres=true' }
    expect(isDone(await change(left.client, 'POST', force))).toBe(true)
    await node.kill()
    const enable = (client: S3Client) =>
      change(client, 'POST', { action: 'enable-mp', value: at('b') })
    for (const point of MAINTENANCE.mountpathReturn) await dieAt(node, point, enable)
    const returned = await node.start()
    await enable(returned.client)
    await expectAll(returned.client)
    expect((await listed(returned.client))['disabled']).toEqual([])
  } finally {
    await node.kill()
  }
})
