import { type BodyName, makeBody } from './bodies.ts'
import { NATIVE, REMOTE, type Running } from './fault-node.ts'
import { type Answer, isDone, type S3Client } from './s3-client.ts'

/** Block of sparse reads in the remote bucket of these tests, bytes; the least there is. */
export const BLOCK_BYTES = 64 * 1024

/** What a key holds: the version before, the version of the operation, or nothing. */
export type State = 'old' | 'new' | 'absent'

/** One key of one run of a scenario, and the bodies it may have. */
export type Site = {
  readonly bucket: typeof NATIVE | typeof REMOTE
  readonly key: string
  readonly old: BodyName
  readonly new: BodyName
  /** Upload begun before the node was armed. */
  upload?: { readonly uploadId: string; readonly etags: readonly string[] }
}

/** An operation in which the process is killed at each of its steps. */
export type Scenario = {
  readonly name: string
  readonly bucket: Site['bucket']
  /** `name` or `name@passage`; the first passage kills where none is stated. */
  readonly points: readonly string[]
  readonly before: State
  readonly after: State
  /** Makes the state before, by an unarmed node. */
  readonly prepare?: (client: S3Client, site: Site) => Promise<void>
  readonly act: (running: Running, site: Site) => Promise<Answer | undefined>
  /** Does the operation once more after the crash; it must succeed. */
  readonly again?: (client: S3Client, site: Site, found: State) => Promise<Answer | undefined>
  /** The new version is at the origin from the start: nobody writes it through the node. */
  readonly seeded?: boolean
  /** Of the version at the origin; absent: more than is brought into memory first. */
  readonly seededBytes?: number
}

const COMMIT = [
  'commit:begun',
  'commit:data-synced',
  'commit:journalled',
  'commit:renamed',
  'commit:directory-synced',
  'commit:indexed',
]
const REMOVE = ['remove:begun', 'remove:journalled', 'remove:unlinked', 'remove:indexed']
const UNSETTLED = ['unsettled:begun', 'unsettled:journalled', 'unsettled:indexed']
const BACKEND = ['backend:marked', 'backend:committed']
const JOURNAL = ['journal:write', 'journal:sync']
const second = (points: readonly string[]): readonly string[] => points.map((name) => `${name}@2`)

const pathOf = ({ bucket, key }: Site): string => `${bucket}/${key}`
const putOld = async (client: S3Client, site: Site): Promise<void> => {
  must(await client.put(pathOf(site), makeBody(site.old)))
}
const putNew: Scenario['act'] = ({ client }, site) => client.put(pathOf(site), makeBody(site.new))
const sourceOf = (site: Site): string => `${site.bucket}/${site.key}-source`
const putSource = async (client: S3Client, site: Site): Promise<void> => {
  must(await client.put(sourceOf(site), makeBody(site.new)))
}
const copySource: Scenario['act'] = ({ client }, site) => client.copy(sourceOf(site), pathOf(site))
const remove: Scenario['act'] = ({ client }, site) => client.delete(pathOf(site))

/** An upload whose one part is the new version. */
const beginUpload = async (client: S3Client, site: Site): Promise<void> => {
  const uploadId = await client.createUpload(pathOf(site))
  if (uploadId === undefined) throw new Error('no upload')
  const etag = await client.writePart({ path: pathOf(site), uploadId }, 1, makeBody(site.new))
  if (etag === undefined) throw new Error('no part')
  site.upload = { uploadId, etags: [etag] }
}
const complete = async (client: S3Client, site: Site): Promise<Answer | undefined> => {
  if (site.upload === undefined) throw new Error('no upload was begun')
  const { uploadId, etags } = site.upload
  return client.completeUpload({ path: pathOf(site), uploadId }, etags)
}
const readWhole: Scenario['act'] = ({ client }, site) => client.get(pathOf(site))
const readBlock = (client: S3Client, site: Site, index: number): Promise<Answer | undefined> =>
  client.get(pathOf(site), { first: index * BLOCK_BYTES, last: index * BLOCK_BYTES + 99 })
/** Longest time in which a block is recorded, ms: that happens behind the answer. */
const RECORD_MS = 500

const beginSparse = async (client: S3Client, site: Site): Promise<void> => {
  must(await readBlock(client, site, 1))
  await new Promise((resolve) => setTimeout(resolve, RECORD_MS))
}
const evict: Scenario['act'] = ({ client }, site) =>
  client.ask({
    method: 'DELETE',
    target: `/v1/objects/${site.bucket}/${site.key}?provider=aws`,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ action: 'evict-listrange', name: site.key, value: null }),
  })

const NATIVE_SCENARIOS: readonly Scenario[] = [
  {
    name: 'PUT',
    bucket: NATIVE,
    points: ['write:received', ...COMMIT, ...JOURNAL],
    before: 'absent',
    after: 'new',
    act: putNew,
  },
  {
    name: 'overwrite',
    bucket: NATIVE,
    points: ['write:received', ...COMMIT, ...JOURNAL],
    before: 'old',
    after: 'new',
    prepare: putOld,
    act: putNew,
  },
  {
    name: 'copy',
    bucket: NATIVE,
    points: ['write:received', ...COMMIT],
    before: 'old',
    after: 'new',
    prepare: async (client, site) => {
      await putOld(client, site)
      await putSource(client, site)
    },
    act: copySource,
  },
  {
    name: 'delete',
    bucket: NATIVE,
    points: [...REMOVE, ...JOURNAL],
    before: 'old',
    after: 'absent',
    prepare: putOld,
    act: remove,
  },
  {
    name: 'multipart complete',
    bucket: NATIVE,
    // The first commit tells that it begins, the second is the object's, the third that it is done.
    points: ['complete:announced', 'complete:committed', ...COMMIT, ...second(COMMIT), ...REMOVE],
    before: 'old',
    after: 'new',
    prepare: async (client, site) => {
      await putOld(client, site)
      await beginUpload(client, site)
    },
    act: ({ client }, site) => complete(client, site),
    again: complete,
  },
]

const putOldAndUpload = async (client: S3Client, site: Site): Promise<void> => {
  await putOld(client, site)
  await beginUpload(client, site)
}

/** Those that any S3 store can play; the origin decides what is true. */
export const MUTATIONS_AT_BACKEND: readonly Scenario[] = [
  {
    name: 'PUT',
    bucket: REMOTE,
    points: ['write:received', ...UNSETTLED, ...BACKEND, ...COMMIT],
    before: 'absent',
    after: 'new',
    act: putNew,
  },
  {
    name: 'overwrite',
    bucket: REMOTE,
    points: ['write:received', ...UNSETTLED, ...BACKEND, ...COMMIT],
    before: 'old',
    after: 'new',
    prepare: putOld,
    act: putNew,
  },
  {
    name: 'copy',
    bucket: REMOTE,
    points: [...UNSETTLED, ...BACKEND, ...REMOVE],
    before: 'old',
    after: 'new',
    prepare: async (client, site) => {
      await putOld(client, site)
      await putSource(client, site)
    },
    act: copySource,
  },
  {
    name: 'delete',
    bucket: REMOTE,
    points: [...UNSETTLED, ...BACKEND, ...REMOVE],
    before: 'old',
    after: 'absent',
    prepare: putOld,
    act: remove,
  },
  {
    name: 'multipart complete',
    bucket: REMOTE,
    points: [...UNSETTLED, ...BACKEND, ...REMOVE],
    before: 'old',
    after: 'new',
    prepare: putOldAndUpload,
    act: ({ client }, site) => complete(client, site),
    // An upload that the origin completed is not there any more.
    again: (client, site, found) =>
      found === 'new' ? client.get(pathOf(site)) : complete(client, site),
  },
]

const CACHE_SCENARIOS: readonly Scenario[] = [
  {
    name: 'fill',
    bucket: REMOTE,
    points: ['fill:verified', ...COMMIT],
    before: 'new',
    after: 'new',
    seeded: true,
    act: readWhole,
  },
  {
    name: 'fill by way of memory',
    bucket: REMOTE,
    points: ['pack:written', 'gather:verified', ...COMMIT],
    before: 'new',
    after: 'new',
    seeded: true,
    seededBytes: 10_000,
    act: readWhole,
  },
  {
    name: 'first sparse fill',
    bucket: REMOTE,
    points: ['fill:blocks-written', ...COMMIT],
    before: 'new',
    after: 'new',
    seeded: true,
    act: ({ client }, site) => readBlock(client, site, 1),
  },
  {
    name: 'further sparse fill',
    bucket: REMOTE,
    points: ['fill:blocks-written', 'blocks:begun', 'blocks:journalled', 'blocks:indexed'],
    before: 'new',
    after: 'new',
    seeded: true,
    prepare: beginSparse,
    act: ({ client }, site) => readBlock(client, site, 2),
  },
  {
    name: 'fill of what a sparse one lacks',
    bucket: REMOTE,
    points: ['fill:verified', ...COMMIT],
    before: 'new',
    after: 'new',
    seeded: true,
    prepare: beginSparse,
    act: readWhole,
  },
  {
    name: 'evict',
    bucket: REMOTE,
    points: REMOVE,
    before: 'old',
    after: 'old',
    prepare: putOld,
    act: evict,
  },
  {
    name: 'evict from a pack',
    bucket: REMOTE,
    points: [...REMOVE, 'pack:freed'],
    before: 'new',
    after: 'new',
    seeded: true,
    seededBytes: 10_000,
    // The second read waits until the cache has it.
    prepare: async (client, site) => {
      must(await client.get(pathOf(site)))
      must(await client.get(pathOf(site)))
    },
    act: evict,
  },
]

export const SCENARIOS: readonly Scenario[] = [
  ...NATIVE_SCENARIOS,
  ...MUTATIONS_AT_BACKEND,
  ...CACHE_SCENARIOS,
]

function must(answer: Answer | undefined): void {
  if (isDone(answer)) return
  throw new Error(`it could not be prepared: ${answer?.status} ${answer?.body}`)
}
