import { Type } from 'typebox'
import type { JobItem } from './job.ts'
import { type Reader, readerOf, readItems } from './stored.ts'

/** Between the texts of a column: not escaped in JSON, and hardly ever in a key. */
const SEPARATOR = '\x7f'

const NUMBERS = Type.Array(Type.Number())

const PACKED = Type.Object({
  keys: Type.String(),
  etags: Type.Optional(Type.String()),
  timesMs: Type.Optional(NUMBERS),
  sizesBytes: Type.Optional(NUMBERS),
})

const readPacked = readerOf(PACKED)

/** Items of one page as they are kept: by columns, or as they are. */
export type StoredItems =
  | {
      readonly keys: string
      readonly etags?: string
      readonly timesMs?: readonly number[]
      readonly sizesBytes?: readonly number[]
    }
  | readonly JobItem[]

/**
 * Items by columns, where all are as a list tells them or have nothing but a key: to write and to read a
 * thousand takes a fifth of the time. Others stay as they are.
 */
export function packItems(items: readonly JobItem[]): StoredItems {
  const keys: string[] = []
  const etags: string[] = []
  const timesMs: number[] = []
  const sizesBytes: number[] = []
  for (const { key, version, sizeBytes, extra } of items) {
    if (extra !== undefined || key.includes(SEPARATOR)) return items
    keys.push(key)
    if (version === undefined && sizeBytes === undefined) continue
    if (version === undefined || sizeBytes === undefined) return items
    if (version.etag.includes(SEPARATOR)) return items
    etags.push(version.etag)
    timesMs.push(version.lastModifiedMs)
    sizesBytes.push(sizeBytes)
  }
  if (etags.length === 0 && keys.length > 0) return { keys: keys.join(SEPARATOR) }
  if (etags.length !== keys.length) return items
  return { keys: keys.join(SEPARATOR), etags: etags.join(SEPARATOR), timesMs, sizesBytes }
}

/** @returns undefined for what `packItems` never made */
export const unpackItems: Reader<readonly JobItem[]> = (stored) => {
  if (Array.isArray(stored)) return readItems(stored)
  const packed = readPacked(stored)
  if (packed === undefined) return undefined
  const keys = packed.keys.split(SEPARATOR)
  const { etags, timesMs, sizesBytes } = packed
  if (etags === undefined) return keys.map((key) => ({ key }))
  const tags = etags.split(SEPARATOR)
  const counts = [tags.length, timesMs?.length, sizesBytes?.length]
  if (counts.some((count) => count !== keys.length)) return undefined
  return keys.map((key, at) => ({
    key,
    version: { etag: tags[at] ?? '', lastModifiedMs: timesMs?.[at] ?? 0 },
    sizeBytes: sizesBytes?.[at] ?? 0,
  }))
}
