/**
 * `node load-tests/faults/restart.ts --objects 100000`: how long a killed node takes to serve again.
 * Prints the figures; it is no test.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { temporaryFolder } from '../testkit/servers.ts'
import { makeBody } from './bodies.ts'
import { FaultNode, NATIVE } from './fault-node.ts'
import { isDone, type S3Client } from './s3-client.ts'

/** Writers that fill the node. */
const CLIENTS = 32

/** Restarts that are timed; the least of them tells what the program needs. */
const RESTARTS = 5

const { values } = parseArgs({ options: { objects: { type: 'string' } } })
const objectCount = Number(values.objects ?? 100_000)
const folder = await temporaryFolder('restart')
// There is no origin: nothing here asks one.
const node = new FaultNode({
  dataDir: join(folder.path, 'node'),
  originUrl: 'http://127.0.0.1:9',
})
try {
  const { client } = await node.start()
  await client.changeBucket(NATIVE, { action: 'create-bck', value: null })
  await client.changeBucket(NATIVE, {
    action: 'set-bprops',
    provider: 'ais',
    value: { forebay: { syncWrites: false } },
  })
  const startedMs = performance.now()
  await fill(client)
  const seconds = (performance.now() - startedMs) / 1000
  console.log(`${objectCount} objects in ${seconds.toFixed(0)} s`)
  await node.kill()
  const took: number[] = []
  for (let at = 0; at < RESTARTS; at++) took.push(await timeRestart(at))
  const worst = Math.max(...took)
  console.log(`least ${Math.min(...took).toFixed(0)} ms, worst ${worst.toFixed(0)} ms; bar 2000 ms`)
  process.exitCode = worst < 2000 ? 0 : 1
} finally {
  await node.kill()
  await folder.remove()
}

async function fill(client: S3Client): Promise<void> {
  const indices = Array.from({ length: objectCount }).keys()
  const writers = Array.from({ length: CLIENTS }, async () => {
    for (const index of indices) {
      const answer = await client.put(pathOf(index), bodyOf(index))
      if (!isDone(answer)) throw new Error(`object ${index}: ${answer?.status}`)
    }
  })
  await Promise.all(writers)
}

/** From the start of the process to the first whole answer, ms; kills it again. */
async function timeRestart(at: number): Promise<number> {
  const startedMs = performance.now()
  const { client } = await node.start()
  const readyMs = performance.now() - startedMs
  const index = Math.floor((objectCount / RESTARTS) * at)
  const answer = await client.get(pathOf(index))
  const servedMs = performance.now() - startedMs
  if (answer?.body.equals(bodyOf(index)) !== true) throw new Error(`object ${index} is wrong`)
  console.log(`ready after ${readyMs.toFixed(0)} ms, first GET after ${servedMs.toFixed(0)} ms`)
  // Half of the restarts find a journal that the index has not caught up with.
  if (at % 2 === 0) await client.put(pathOf(index), bodyOf(index))
  await node.kill()
  return servedMs
}

function pathOf(index: number): string {
  return `${NATIVE}/directory-${index % 100}/object-${index}`
}

function bodyOf(index: number): Buffer {
  return makeBody({ seed: 9, key: pathOf(index), version: 1, sizeBytes: 100 })
}
