import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../testkit/servers.ts'
import { FaultNode, type Running } from './fault-node.ts'

const ROUNDS = 150

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let node: FaultNode
let running: Running

beforeAll(async () => {
  folder = await temporaryFolder('delete-bucket')
  node = new FaultNode({
    dataDir: join(folder.path, 'node'),
    originUrl: 'http://127.0.0.1:9',
    // A bucket that is gone is not looked for anywhere else.
    args: ['--set', 'buckets.lookup=[]'],
  })
  running = await node.start()
})

afterAll(async () => {
  await node?.kill()
  await folder?.remove()
})

test('a bucket that is deleted while it is written to never takes an acknowledged object along', async () => {
  const { client } = running
  const outcomes = new Map<string, number>()
  for (let round = 0; round < ROUNDS; round++) {
    const bucket = `bucket-${round}`
    await client.ask({ method: 'PUT', target: `/${bucket}` })
    const writing = client.put(`${bucket}/k`, Buffer.from('bytes'))
    // The two meet at another moment in each round.
    await new Promise((resolve) => setTimeout(resolve, (round % 15) / 5))
    const [written, deleted] = await Promise.all([writing, client.delete(bucket)])
    const read = await client.get(`${bucket}/k`)
    const outcome = `${written?.status} ${deleted?.status} ${read?.status}`
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  }
  const allowed = ['200 409 200', '404 204 404']
  expect([...outcomes.keys()].filter((outcome) => !allowed.includes(outcome))).toEqual([])
})
