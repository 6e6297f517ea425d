import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Server, startVersitygw, temporaryFolder } from '../../testkit/servers.ts'
import { FaultNode, REMOTE } from '../fault-node.ts'
import type { S3Client } from '../s3-client.ts'
import { Checks, type FaultRow, until } from './row.ts'

const OBJECTS = 400
const READERS = 4

/** The store is away for about a second, and asked again by the node after a moment more. */
const BACK_MS = 20_000

type Key = { readonly accessKey: string; readonly secretKey: string }
const FIRST: Key = { accessKey: 'first-key', secretKey: 'first-secret' }
const SECOND: Key = { accessKey: 'second-key', secretKey: 'second-secret' }

/** Row 30: the key of the store is replaced, there and in the vendor's file, while objects are read. */
export const credentials: FaultRow = {
  number: 30,
  title: 'a key that is replaced at the store is taken without a restart, and no reader is refused',
  async run() {
    const folder = await temporaryFolder('credentials')
    const file = join(folder.path, 'credentials')
    const dir = join(folder.path, 'store')
    await write(file, FIRST)
    let store = await startVersitygw({ ...FIRST, dir })
    const env = {
      AWS_ACCESS_KEY_ID: undefined,
      AWS_SECRET_ACCESS_KEY: undefined,
      AWS_SHARED_CREDENTIALS_FILE: file,
      AWS_EC2_METADATA_DISABLED: 'true',
    }
    const dataDir = join(folder.path, 'node')
    const node = new FaultNode({ dataDir, originUrl: store.url, env })
    try {
      const { client } = await node.start()
      await fill(client)
      const replace = async (): Promise<Server> => {
        await write(file, SECOND)
        await store.stop()
        return startVersitygw({ ...SECOND, dir, port: store.port })
      }
      const { refused, backMs, violations } = await play(client, async () => {
        store = { ...store, ...(await replace()) }
      })
      return {
        figures: `${OBJECTS} cold reads, none denied; ${refused} while the store was away; right again after ${backMs.toFixed(0)} ms`,
        violations,
      }
    } finally {
      await node.kill()
      await store.stop()
      await folder.remove()
    }
  },
}

/** In one step, as tools that rotate keys do it. */
async function write(file: string, { accessKey, secretKey }: Key): Promise<void> {
  const lines = [`aws_access_key_id = ${accessKey}`, `aws_secret_access_key = ${secretKey}`]
  await writeFile(`${file}.next`, ['[default]', ...lines, ''].join('\n'))
  await rename(`${file}.next`, file)
}

const keyOf = (at: number): string => `${REMOTE}/object-${at}`

/** Objects that the store has and the cache has not. */
async function fill(client: S3Client): Promise<void> {
  await client.ask({ method: 'PUT', target: `/${REMOTE}` })
  for (let at = 0; at < OBJECTS; at++) await client.put(keyOf(at), Buffer.from(`object ${at}`))
  await client.ask({ method: 'DELETE', target: `/v1/buckets/${REMOTE}`, body: EVICT_ALL })
}

const EVICT_ALL = JSON.stringify({ action: 'evict-remote-bck' })

/** Half of the objects are read while the key is replaced, the others afterwards. */
async function play(client: S3Client, replace: () => Promise<void>) {
  const checks = new Checks()
  let next = 0
  let refused = 0
  const readUpTo = async (end: number): Promise<void> => {
    while (next < end) {
      const at = next++
      const isRight = await readUntilRight(client, at, (status) => {
        refused += 1
        checks.that(status >= 500, `${keyOf(at)} was answered ${status}`)
      })
      checks.that(isRight, `${keyOf(at)} is not answered as it was written`)
    }
  }
  const readAll = (end: number) => Promise.all(Array.from({ length: READERS }, () => readUpTo(end)))
  await Promise.all([replace(), readAll(OBJECTS / 2)])
  await readAll(OBJECTS)
  const written = await until(async () => {
    const answer = await client.put(`${REMOTE}/after`, Buffer.from('after'))
    return answer?.status === 200
  }, BACK_MS)
  checks.that(written < BACK_MS, 'nothing can be written with the new key')
  return { refused, backMs: written, violations: checks.violations }
}

/** Asks again while the store is away. @returns false for wrong bytes, or when it stays away */
async function readUntilRight(
  client: S3Client,
  at: number,
  onRefused: (status: number) => void,
): Promise<boolean> {
  let isRight = false
  const waitedMs = await until(async () => {
    const answer = await client.get(keyOf(at))
    if (answer?.status === 200) isRight = answer.body.toString() === `object ${at}`
    else onRefused(answer?.status ?? 500)
    return answer?.status === 200
  }, BACK_MS)
  return isRight && waitedMs < BACK_MS
}
