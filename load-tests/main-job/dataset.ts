import { createHash } from 'node:crypto'
import { closeSync, globSync, openSync, readFileSync, readSync, statSync, writeSync } from 'node:fs'
import { copyFile, mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { TAR_END, tarMember } from './tar.ts'

const MIB = 1024 ** 2

/** One file of the data set, and the object that it becomes. */
export type DataFile = {
  readonly key: string
  readonly path: string
  readonly sizeBytes: number
  readonly sha256: string
}

/** A training set as it lies in a bucket: tar shards in WebDataset form, and tables. */
export type Dataset = {
  readonly folder: string
  readonly files: readonly DataFile[]
}

/** Shards of about these sizes, bytes; each ends with the image that crosses its size. */
const SHARD_SIZES: Readonly<Record<string, number>> = {
  'shards/emoji-000000.tar': MIB,
  'shards/emoji-000001.tar': 10 * MIB,
  'shards/emoji-000002.tar': 100 * MIB,
  'big/emoji-000003.tar': 1024 * MIB,
}

/** The same without the shards that take minutes where many clients read from many stores. */
export const SMALL_SHARD_SIZES: Readonly<Record<string, number>> = {
  'shards/emoji-000000.tar': MIB,
  'shards/emoji-000001.tar': 10 * MIB,
}

/**
 * Makes the data set in a folder, laid out as the keys are: shards of the real images of
 * emoji-datasource-twitter, and the CSV, Parquet and JSON files of vega-datasets.
 */
export async function makeDataset(
  folder: string,
  shardSizes: Readonly<Record<string, number>> = SHARD_SIZES,
): Promise<Dataset> {
  const images = readImages()
  for (const [key, sizeBytes] of Object.entries(shardSizes)) {
    await mkdir(join(folder, dirname(key)), { recursive: true })
    writeShard(join(folder, key), { images, sizeBytes })
  }
  await mkdir(join(folder, 'tables'), { recursive: true })
  const tables = join(packageFolder('vega-datasets'), 'data')
  for (const name of globSync('*.{csv,parquet,json}', { cwd: tables })) {
    await copyFile(join(tables, name), join(folder, 'tables', name))
  }
  const keys = globSync('*/*', { cwd: folder }).sort()
  return { folder, files: keys.map((key) => describeFile(key, join(folder, key))) }
}

/** Size and SHA-256 of a local file. */
export function describeFile(key: string, path: string): DataFile {
  const hash = createHash('sha256')
  const slice = Buffer.allocUnsafe(MIB)
  const file = openSync(path, 'r')
  try {
    for (;;) {
      const count = readSync(file, slice, {})
      if (count === 0) break
      hash.update(slice.subarray(0, count))
    }
  } finally {
    closeSync(file)
  }
  return { key, path, sizeBytes: statSync(path).size, sha256: hash.digest('hex') }
}

type Image = { readonly id: string; readonly png: Buffer; readonly about: Buffer }

/** All images of one size, then the sheets, each with what the package says of it. */
function readImages(): readonly Image[] {
  const folder = packageFolder('emoji-datasource-twitter')
  const emoji: readonly { readonly image: string; readonly short_name: string }[] = JSON.parse(
    readFileSync(join(folder, 'emoji.json'), 'utf8'),
  )
  const names = new Map(emoji.map(({ image, short_name }) => [image, short_name]))
  const small = globSync('img/twitter/64/*.png', { cwd: folder }).sort()
  const sheets = globSync('img/twitter/sheets*/*.png', { cwd: folder }).sort()
  return [...small, ...sheets].map((path) => {
    const about = { file: path, name: names.get(basename(path)) }
    const id = path.replace('img/twitter/', '').replace('.png', '').replaceAll('/', '-')
    return {
      id,
      png: readFileSync(join(folder, path)),
      about: Buffer.from(JSON.stringify(about)),
    }
  })
}

/** Images in order, again and again under a new round's name, until the size is reached. */
function writeShard(
  path: string,
  { images, sizeBytes }: { readonly images: readonly Image[]; readonly sizeBytes: number },
): void {
  const file = openSync(path, 'w')
  try {
    let writtenBytes = 0
    for (let round = 0; writtenBytes < sizeBytes; round += 1) {
      const blocks: Buffer[] = []
      for (const { id, png, about } of images) {
        if (writtenBytes >= sizeBytes) break
        const sample = `${String(round).padStart(3, '0')}-${id}`
        const image = tarMember({ name: `${sample}.png`, content: png })
        const text = tarMember({ name: `${sample}.json`, content: about })
        blocks.push(image, text)
        writtenBytes += image.length + text.length
      }
      writeSync(file, Buffer.concat(blocks))
    }
    writeSync(file, TAR_END)
  } finally {
    closeSync(file)
  }
}

function packageFolder(name: string): string {
  // vega-datasets does not export its manifest; its folder is found from an entry that it exports.
  const require = createRequire(import.meta.url)
  const found = require.resolve.paths(name)?.map((folder) => join(folder, name)) ?? []
  const folder = found.find((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory())
  if (folder === undefined) throw new Error(`${name} is not installed`)
  return folder
}
