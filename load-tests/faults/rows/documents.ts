import { randomBytes } from 'node:crypto'
import { cp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeBody } from '../bodies.ts'
import { FaultNode, NATIVE, REMOTE } from '../fault-node.ts'
import { Random } from '../random.ts'
import { isDone, type S3Client } from '../s3-client.ts'
import { S3Origin } from '../s3-origin.ts'
import { Checks, type FaultRow, onNode, type Scene } from './row.ts'

const OBJECTS = 8

/** What the node keeps beside the objects, relative to its data directory. */
const DOCUMENTS = [
  'node.json',
  'buckets.json',
  'buckets.previous.json',
  'mountpath/.forebay/marker.json',
  'mountpath/.forebay/state.json',
  'mountpath/.forebay/recency',
  'mountpath/.forebay/index/data.mdb',
  'mountpath/.forebay/index/lock.mdb',
  'mountpath/.forebay/journal',
] as const

const DAMAGES = ['empty', 'random bytes', 'half', 'older', "another node's", 'missing'] as const

type Case = {
  readonly document: (typeof DOCUMENTS)[number]
  readonly damage: (typeof DAMAGES)[number]
}

const bodyOf = (path: string): Buffer =>
  makeBody({ seed: 25, key: path, version: 1, sizeBytes: 20_000 })

const pathsOf = (bucket: string, first = 0): readonly string[] =>
  Array.from({ length: OBJECTS / 2 }, (_, index) => `${bucket}/object-${first + index}`)

const ALL = [NATIVE, REMOTE].flatMap((bucket) => [
  ...pathsOf(bucket),
  ...pathsOf(bucket, OBJECTS / 2),
])

/** Outcomes that keep the promise: nothing is lost, and nothing that is not there is called absent. */
const KEPT = ['all is there', 'refuses, and says why', 'later, by 503']

/** Row 25: every document of a node, damaged in every way. */
export const documents: FaultRow = {
  number: 25,
  title: 'corrupt or missing documents: it starts and has everything, or refuses and says why',
  inTests: false,
  run: ({ seed, scale }) =>
    onNode({}, async (scene) => {
      const checks = new Checks()
      const { older, newer } = await prepareCopies(scene)
      const cases = DOCUMENTS.flatMap((document) =>
        DAMAGES.map((damage): Case => ({ document, damage })),
      )
      const random = new Random(seed, 'documents')
      const played = scale === 'long' ? cases : Array.from({ length: 3 }, () => pick(random, cases))
      const foreign = await otherNode(scene.dataDir)
      const outcomes = new Map<string, number>()
      for (const [index, each] of played.entries()) {
        const dataDir = `${scene.dataDir}-case-${index}`
        await copyTree(newer, dataDir)
        await adopt(dataDir, scene.origin)
        await damageIn(dataDir, each, { older, foreign })
        const outcome = await tryOut(dataDir, scene.origin)
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
        const said = `${each.damage} ${each.document}: ${outcome}`
        checks.that(KEPT.includes(outcome), said)
        await rm(dataDir, { recursive: true })
      }
      const figures = [...outcomes].map(([outcome, count]) => `${count} ${outcome}`).join(', ')
      return { figures: `${played.length} cases: ${figures}`, violations: checks.violations }
    }),
}

function pick(random: Random, cases: readonly Case[]): Case {
  return cases[random.below(cases.length)] ?? { document: 'node.json', damage: 'empty' }
}

/** The data directory when half of the objects were there, and when all were, each after an orderly end. */
async function prepareCopies({ client, node, dataDir }: Scene) {
  await client.changeBucket(NATIVE, { action: 'create-bck', value: null })
  for (const bucket of [NATIVE, REMOTE]) await write(client, pathsOf(bucket))
  await node.stop()
  const [older, newer] = [`${dataDir}-older`, `${dataDir}-newer`]
  await copyTree(dataDir, older)
  const again = await node.start()
  for (const bucket of [NATIVE, REMOTE]) await write(again.client, pathsOf(bucket, OBJECTS / 2))
  await node.stop()
  await copyTree(dataDir, newer)
  return { older, newer }
}

/** The lock of a killed node is a socket, which no copy has. */
function copyTree(from: string, to: string): Promise<void> {
  const filter = async (path: string) => !(await stat(path)).isSocket()
  return cp(from, to, { recursive: true, filter })
}

async function write(client: S3Client, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const answer = await client.put(path, bodyOf(path))
    if (!isDone(answer)) throw new Error(`${path}: ${answer?.status}`)
  }
}

/** A node that is started on a copy of an orderly stopped one makes it its own. */
async function adopt(dataDir: string, origin: S3Origin): Promise<void> {
  const node = new FaultNode({ dataDir, originUrl: origin.url })
  await node.start()
  await node.stop()
}

/** The data directory of a node of another cluster, with a bucket and an object of its own. */
async function otherNode(besides: string): Promise<string> {
  const dataDir = join(dirname(besides), 'foreign')
  const origin = await S3Origin.start()
  const node = new FaultNode({ dataDir, originUrl: origin.url })
  try {
    const { client } = await node.start()
    await client.changeBucket('other', { action: 'create-bck', value: null })
    await client.put('other/object-0', Buffer.from('of another node'))
    await client.put(`${REMOTE}/object-0`, Buffer.from('of another node'))
  } finally {
    await node.kill()
    await origin.close()
  }
  return dataDir
}

async function damageIn(
  dataDir: string,
  { document, damage }: Case,
  { older, foreign }: { readonly older: string; readonly foreign: string },
): Promise<void> {
  const path = join(dataDir, document)
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() === true
  switch (damage) {
    case 'missing':
      await rm(path, { recursive: true, force: true })
      return
    case 'older':
    case "another node's": {
      const from = join(damage === 'older' ? older : foreign, document)
      await rm(path, { recursive: true, force: true })
      await cp(from, path, { recursive: true }).catch(() => undefined)
      return
    }
    default: {
      const files = isFolder ? (await readdir(path)).map((name) => join(path, name)) : [path]
      for (const file of files) await damageFile(file, damage)
    }
  }
}

async function damageFile(path: string, damage: 'empty' | 'random bytes' | 'half'): Promise<void> {
  const sizeBytes = (await stat(path)).size
  if (damage === 'empty') await writeFile(path, '')
  else if (damage === 'random bytes') await writeFile(path, randomBytes(sizeBytes))
  else await truncate(path, Math.floor(sizeBytes / 2))
}

/** Starts a node on the damaged directory and looks at every object. */
async function tryOut(dataDir: string, origin: S3Origin): Promise<string> {
  const node = new FaultNode({ dataDir, originUrl: origin.url })
  try {
    const { client } = await node.start().catch((error: unknown) => {
      throw new Refused(String(error))
    })
    const wrong: string[] = []
    let later = 0
    for (const path of ALL) {
      const answer = await client.get(path)
      if (answer?.status === 200 && answer.body.equals(bodyOf(path))) continue
      if (answer?.status === 503 && answer.headers['retry-after'] !== undefined) later += 1
      wrong.push(
        answer?.status === 200 ? `${path} has WRONG BYTES` : `${path} is ${answer?.status}`,
      )
    }
    if (later > 0 && later === wrong.length) return 'later, by 503'
    return wrong.length === 0
      ? 'all is there'
      : `${wrong.length} are not: ${wrong.join(', ').slice(0, 300)}`
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return error.saysWhy
      ? 'refuses, and says why'
      : `does not start: ${error.message.slice(0, 600)}`
  } finally {
    await node.kill()
  }
}

class Refused extends Error {
  /** A refusal is a sentence for people; a stack is a crash. */
  get saysWhy(): boolean {
    return !/\n\s+at /.test(this.message) && /forebay: |hint|"level"/i.test(this.message)
  }
}
