import { OWN } from './mountpath.ts'

/**
 * Where the bytes of an object lie that shares its file, a pack, with others. In records and journal
 * it stands as a path that no file has:
 *
 *     .forebay/packs/<pack>@<offset>+<bytes>
 *
 * so whoever takes it for a file's finds none, and touches nothing of the others.
 */
export interface PackPlace {
  /** The pack, relative to the mountpath. */
  readonly file: string
  /** Of the first byte. */
  readonly offset: number
  /** Bytes that are the object's, whole units of the disk; the object's own are the first of them. */
  readonly allocatedBytes: number
}

const FORM = /^(.+)@(\d{1,15})\+(\d{1,15})$/
const PREFIX = `${OWN.packs}/`

export function formatPackPlace({ file, offset, allocatedBytes }: PackPlace): string {
  return `${file}@${offset}+${allocatedBytes}`
}

/** Whether a location's path is a place in a pack: no file of an object lies there. */
export function isPackPath(path: string): boolean {
  return path.startsWith(PREFIX)
}

/** @returns undefined for the path of a file */
export function packPlaceOf(path: string): PackPlace | undefined {
  if (!isPackPath(path)) return undefined
  const [, file, offset, allocatedBytes] = FORM.exec(path) ?? []
  if (file === undefined) return undefined
  return { file, offset: Number(offset), allocatedBytes: Number(allocatedBytes) }
}

/** The file in which an object lies, relative to the mountpath, and where in it. */
export function fileAt(path: string): { readonly file: string; readonly offset: number } {
  return packPlaceOf(path) ?? { file: path, offset: 0 }
}

/** Whether a file of `fileBytes` can hold the object: one of its own has its bytes alone, a pack others' too. */
export function canHold(path: string, sizeBytes: number, fileBytes: number): boolean {
  const place = packPlaceOf(path)
  return place === undefined ? fileBytes === sizeBytes : place.offset + sizeBytes <= fileBytes
}
