import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FaultNode } from '../faults/fault-node.ts'
import { runCommand } from '../testkit/run-command.ts'
import { type Server, startVersitygw, temporaryFolder } from '../testkit/servers.ts'
import { isLeftOut, requireTool } from '../testkit/tools.ts'
import { isOver, JobApi } from './prefetch-run.ts'

/** What AIStore's client says beside jobs, and large copies, on a whole node before a real S3 server. */
const KEYS = { accessKey: 'messages', secretKey: 'messages-secret' }

/** Three parts, the last one short; `copy.partsAbove` is as low as it goes. */
const PART_BYTES = 5 * 1024 ** 2
const LARGE = Buffer.from(Array.from({ length: 2 * PART_BYTES + 77 }, (_, at) => (at * 7919) % 251))

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let origin: Server & { readonly accessLogPath: string }
let node: FaultNode
let nodeUrl: string

beforeAll(async () => {
  folder = await temporaryFolder('messages')
  const dir = join(folder.path, 'origin')
  for (const name of ['remote', 'copies']) await mkdir(join(dir, name), { recursive: true })
  await writeFile(join(dir, 'remote', 'small'), 'small')
  await mkdir(join(folder.path, 'files', 'deep'), { recursive: true })
  await writeFile(join(folder.path, 'files', 'deep', 'file'), 'a file')
  origin = await startVersitygw({ ...KEYS, dir })
  node = new FaultNode({
    ...{ dataDir: join(folder.path, 'node'), originUrl: origin.url, credentials: KEYS },
    config: {
      copy: { partsAbove: PART_BYTES },
      jobs: { promote: { folders: [join(folder.path, 'files')] } },
    },
  })
  nodeUrl = (await node.start()).server.url
  // Not into the folder as well: what comes past the server has no tag there.
  await fetch(`${nodeUrl}/remote/large`, { method: 'PUT', body: new Uint8Array(LARGE) })
})

afterAll(async () => {
  await node?.kill()
  await origin?.stop()
  await folder?.remove()
})

test.skipIf(isLeftOut('aistore'))(
  "AIStore's Python client reads members, sums up, promotes, and keeps inventories",
  async () => {
    const script = join(import.meta.dirname, 'python', 'aistore-messages.py')
    const { stdout } = await runCommand(requireTool('aistore'), [script], {
      input: JSON.stringify({ endpoint: nodeUrl, folder: join(folder.path, 'files') }),
    })
    const members = ['train/a.cls', 'train/a.jpg', 'train/b.jpg']
    const archive = (name: string) => [
      ...['picture', { 'train/a.cls': 1, 'train/a.jpg': 7 }, 'ErrObjNotFound'],
      members.map((member) => `${name}/${member}`),
    ]
    const summary = [
      { obj_count_present: '2', obj_count_remote: '0' },
      expect.stringMatching(/^[1-9]\d+$/),
      true,
    ]
    expect(JSON.parse(stdout)).toEqual({
      archives: { 's.tar': archive('s.tar'), 's.tgz': archive('s.tgz') },
      summaries: [summary, summary],
      promoted: [true, ['copies/t.tar', 'files/deep/file', 's.tar', 's.tgz']],
      closed: 'AISError',
      inventories: {
        made: true,
        shown: ['aws://remote', 'shelf', 2, true],
        listed: ['large', 'small'],
        after: {},
      },
      blob: [true, true],
    })
  },
)

test('an object larger than one request takes is copied by the store in parts', async () => {
  const api = new JobApi(nodeUrl)
  const { id } = await api.start({
    ...{ kind: 'copy-objects', bucket: 'aws://remote' },
    args: { to: 'aws://copies', keys: ['large'], keyTo: 'inside' },
  })
  const job = await api.until(id, isOver)
  expect(job).toMatchObject({ state: 'finished', counters: { done: 1, bytes: LARGE.length } })
  expect(await stored('inside')).toEqual({ isSame: true, isOfParts: true })
  const log = await readFile(origin.accessLogPath, 'utf8')
  expect(log.split('\n').filter((line) => line.includes('partNumber='))).toHaveLength(3)
  expect(log).not.toMatch(/GET \/remote\/large/)
})

test('one that is not at the store goes through the node in parts, with its own metadata', async () => {
  await fetch(`${nodeUrl}/native`, { method: 'PUT' })
  const headers = { 'x-amz-meta-own': 'value', 'content-type': 'image/png' }
  await fetch(`${nodeUrl}/native/large`, { method: 'PUT', headers, body: new Uint8Array(LARGE) })
  const api = new JobApi(nodeUrl)
  const order = {
    ...{ kind: 'copy-bucket', bucket: 'ais://native' },
    args: { to: 'aws://copies', prepend: 'p/' },
  }
  const run = async () => {
    const { id } = await api.start(order)
    return api.until(id, isOver)
  }
  expect(await run()).toMatchObject({ state: 'finished', counters: { done: 1, skipped: 0 } })
  expect(await stored('p/large')).toEqual({ isSame: true, isOfParts: true })
  const head = await fetch(`${nodeUrl}/copies/p/large`, { method: 'HEAD' })
  expect(Object.fromEntries(head.headers)).toMatchObject(headers)
  // It knows the copy again by the word of its version.
  expect(await run()).toMatchObject({ state: 'finished', counters: { done: 0, skipped: 1 } })
})

async function stored(
  key: string,
): Promise<{ readonly isSame: boolean; readonly isOfParts: boolean }> {
  const answer = await fetch(`${nodeUrl}/copies/${key}`)
  const bytes = Buffer.from(await answer.arrayBuffer())
  const etag = answer.headers.get('etag') ?? ''
  return { isSame: bytes.equals(LARGE), isOfParts: etag.endsWith('-3"') }
}
