import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../testkit/servers.ts'
import { makeBody } from './bodies.ts'
import { FaultNode, NATIVE, REMOTE } from './fault-node.ts'
import { MAINTENANCE } from './maintenance-points.ts'
import { isDone, type S3Client } from './s3-client.ts'
import { S3Origin } from './s3-origin.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let origin: S3Origin

beforeAll(async () => {
  folder = await temporaryFolder('maintenance')
  origin = await S3Origin.start()
})

afterAll(async () => {
  await origin?.close()
  await folder?.remove()
})

function nodeAt(name: string, args: readonly string[] = []): FaultNode {
  const dataDir = join(folder.path, name.replaceAll(/[^a-z]+/g, '-'))
  return new FaultNode({ dataDir, originUrl: origin.url, args })
}

const bodyOf = (path: string, version = 1, sizeBytes = 10_000) =>
  makeBody({ seed: 5, key: path, version, sizeBytes })

async function write(client: S3Client, path: string, version = 1): Promise<void> {
  expect(isDone(await client.put(path, bodyOf(path, version)))).toBe(true)
}

async function expectBody(client: S3Client, path: string, body: Buffer): Promise<void> {
  const answer = await client.get(path)
  expect(answer?.status, path).toBe(200)
  expect(answer?.body.equals(body), `bytes of ${path}`).toBe(true)
}

test.concurrent('eviction for room, killed at each of its steps, takes no object away', async () => {
  // Sixteen objects of 1 MiB do not fit below the high watermark.
  const node = nodeAt('evict', ['--set', 'space.capacity=16MiB'])
  const paths = Array.from({ length: 24 }, (_, index) => `${REMOTE}/evict-${index}`)
  const bodies = new Map(paths.map((path) => [path, bodyOf(path, 1, 1024 ** 2)]))
  for (const [path, body] of bodies) origin.put(path, body)
  try {
    for (const point of MAINTENANCE.evict) {
      const { client } = await node.start(`${point}=kill@1`)
      for (const path of paths) await client.get(path)
      expect(await node.died(), `the process passes ${point}`).toBe(true)
    }
    const { client } = await node.start()
    expect(await node.workFiles()).toEqual([])
    for (const [path, body] of [...bodies, ...bodies]) await expectBody(client, path, body)
  } finally {
    await node.kill()
  }
})

test.concurrent('the sync mark, killed at each of its steps, forgets no object', async () => {
  const node = nodeAt('mark', ['--set', 'store.syncInterval=200ms'])
  try {
    for (const [index, point] of MAINTENANCE.mark.entries()) {
      const { client } = await node.start(`${point}=kill@1`)
      await write(client, `${REMOTE}/mark-${index}`)
      expect(await node.died(), `the process passes ${point}`).toBe(true)
    }
    const { client } = await node.start()
    for (const index of MAINTENANCE.mark.keys()) {
      const path = `${REMOTE}/mark-${index}`
      await expectBody(client, path, bodyOf(path))
    }
  } finally {
    await node.kill()
  }
})

test.concurrent.each(MAINTENANCE.compact)(
  'the compaction of a journal, killed at %s, loses no object',
  async (point) => {
    const node = nodeAt(point)
    const paths = Array.from({ length: 20 }, (_, index) => `${NATIVE}/kept-${index}`)
    try {
      const { client } = await node.start()
      await client.changeBucket(NATIVE, { action: 'create-bck', value: null })
      await write(client, `${NATIVE}/replaced`, 1)
      await write(client, `${NATIVE}/replaced`, 2)
      for (const path of paths) await write(client, path)
      await client.delete(paths.pop() ?? '')
      await node.kill()
      await damageJournal(node.dataDir, 'replaced')
      // A damaged journal is compacted at the next look at it.
      await node.start(`${point}=kill@1`)
      expect(await node.died(), `the process passes ${point}`).toBe(true)
      const after = await node.start()
      for (const path of paths) await expectBody(after.client, path, bodyOf(path))
      await expectBody(after.client, `${NATIVE}/replaced`, bodyOf(`${NATIVE}/replaced`, 2))
      expect((await after.client.get(`${NATIVE}/kept-19`))?.status).toBe(404)
    } finally {
      await node.kill()
    }
  },
)

/** Spoils the first frame that names the key, and the index, so that the whole journal is read. */
async function damageJournal(dataDir: string, key: string): Promise<void> {
  const own = join(dataDir, 'mountpath', '.forebay')
  for (const name of await readdir(join(own, 'journal'))) {
    const path = join(own, 'journal', name)
    const bytes = await readFile(path)
    const at = bytes.indexOf(key)
    if (at < 0) continue
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
    await writeFile(path, bytes)
    await rm(join(own, 'index'), { recursive: true })
    return
  }
  throw new Error(`no journal names ${key}`)
}

test.concurrent('a bucket destroyed by a killed process is there whole, or gone', async () => {
  const node = nodeAt('drop')
  try {
    for (const point of MAINTENANCE.drop) {
      const name = `doomed-${point.replace(':', '-')}`
      const before = await node.start()
      await before.client.changeBucket(name, { action: 'create-bck', value: null })
      for (const key of ['a', 'b/c']) await write(before.client, `${name}/${key}`)
      await node.kill()
      const armed = await node.start(`${point}=kill@1`)
      const answer = await armed.client.ask({
        method: 'DELETE',
        target: `/v1/buckets/${name}?provider=ais`,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ action: 'destroy-bck', name: '', value: null }),
      })
      const told = `${answer?.status} ${answer?.body.subarray(0, 300)}`
      expect(await node.died(), `the process passes ${point}; it said ${told}`).toBe(true)
      const { client } = await node.start()
      const found = await client.get(`${name}/a`)
      if (found?.status === 200) await expectBody(client, `${name}/b/c`, bodyOf(`${name}/b/c`))
      else {
        expect(found?.status).toBe(404)
        // Of the bucket that has the name next, nothing is there yet.
        await client.changeBucket(name, { action: 'create-bck', value: null })
        expect((await client.get(`${name}/b/c`))?.status).toBe(404)
      }
      await node.kill()
    }
  } finally {
    await node.kill()
  }
})

test.concurrent('the bucket table, killed while it is replaced, is the old or the new one', async () => {
  const node = nodeAt('table')
  try {
    const { client } = await node.start()
    await client.changeBucket(NATIVE, { action: 'create-bck', value: null })
    await write(client, `${NATIVE}/kept`)
    await node.kill()
    for (const point of MAINTENANCE.table) {
      const name = point.replaceAll(/[^a-z]+/g, '-')
      const armed = await node.start(`${point}=kill@1`)
      const answer = await armed.client.ask({ method: 'PUT', target: `/${name}` })
      expect(await node.died(), `the process passes ${point}`).toBe(true)
      const after = await node.start()
      await expectBody(after.client, `${NATIVE}/kept`, bodyOf(`${NATIVE}/kept`))
      const head = await after.client.ask({ method: 'HEAD', target: `/${name}` })
      expect(isDone(answer) ? [200] : [200, 404]).toContain(head?.status)
      await node.kill()
    }
  } finally {
    await node.kill()
  }
})

/** Turns a bit of the object in its file or its pack, as a disk would. */
async function spoil(client: S3Client, path: string): Promise<void> {
  const [bucket = '', key = ''] = path.split('/')
  const target = `/v1/forebay/explain?bucket=${bucket}&key=${key}`
  const answer = await client.ask({ method: 'GET', target })
  const told: { mountpath: string; path: string } = JSON.parse(String(answer?.body))
  const [, pack, offset = '0'] = /^(.+)@(\d+)\+\d+$/.exec(told.path) ?? []
  const file = join(told.mountpath, pack ?? told.path)
  const bytes = await readFile(file)
  const at = Number(offset) + 777
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
  await writeFile(file, bytes)
}

const scrub = (client: S3Client) => client.ask({ method: 'POST', target: '/v1/forebay/scrub' })

test.concurrent('a scrub killed at each of its steps loses nothing, and the next one ends its work', async () => {
  const node = nodeAt('scrub')
  const native = `${NATIVE}/rotten`
  const remote = `${REMOTE}/rotten`
  const good = [`${NATIVE}/good`, `${REMOTE}/good`]
  for (const path of [remote, `${REMOTE}/good`]) origin.put(path, bodyOf(path))
  try {
    const first = await node.start()
    await first.client.changeBucket(NATIVE, { action: 'create-bck', value: null })
    await write(first.client, native)
    await write(first.client, `${NATIVE}/good`)
    for (const path of [remote, `${REMOTE}/good`])
      await expectBody(first.client, path, bodyOf(path))
    for (const path of [native, remote]) await spoil(first.client, path)
    await node.stop()
    for (const point of MAINTENANCE.scrub) {
      const { client } = await node.start(`${point}=kill@1`)
      await scrub(client)
      expect(await node.died(), `the process passes ${point}`).toBe(true)
    }
    const { client } = await node.start()
    for (const path of [...good, remote]) await expectBody(client, path, bodyOf(path))
    expect((await client.get(native))?.status).toBe(500)
    const told = await client.ask({ method: 'GET', target: '/v1/forebay/scrub' })
    expect(JSON.parse(String(told?.body))).toMatchObject({ state: 'running' })
    await write(client, native, 2)
    await expectBody(client, native, bodyOf(native, 2))
  } finally {
    await node.kill()
  }
})

test.concurrent.each(MAINTENANCE.adopt)(
  'a copied directory whose node is killed at %s has every object at the next start',
  async (point) => {
    const original = nodeAt(`original-${point}`)
    const copy = nodeAt(`copy-${point}`)
    const paths = Array.from({ length: 20 }, (_, index) => `${NATIVE}/kept-${index}`)
    try {
      const { client, server } = await original.start()
      await client.changeBucket(NATIVE, { action: 'create-bck', value: null })
      for (const path of paths) await write(client, path)
      expect(await server.stop()).toBe(0)
      await cp(original.dataDir, copy.dataDir, { recursive: true, preserveTimestamps: true })
      await expect(copy.start(`${point}=kill@1`)).rejects.toThrow(/did not start/)
      const adopted = await copy.start()
      for (const path of paths) await expectBody(adopted.client, path, bodyOf(path))
    } finally {
      await original.kill()
      await copy.kill()
    }
  },
)

test.concurrent.each(MAINTENANCE.identity)(
  'a node killed at %s of its very first start starts the next time',
  async (point) => {
    const node = nodeAt(point)
    try {
      await expect(node.start(`${point}=kill@1`)).rejects.toThrow(/did not start/)
      const first = await node.start()
      await first.client.changeBucket(NATIVE, { action: 'create-bck', value: null })
      await write(first.client, `${NATIVE}/kept`)
      await node.kill()
      const { client } = await node.start()
      await expectBody(client, `${NATIVE}/kept`, bodyOf(`${NATIVE}/kept`))
    } finally {
      await node.kill()
    }
  },
)
