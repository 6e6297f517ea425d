import { invalid } from './limits.ts'

/** What a block of a TAR says of the entry that follows it. */
export interface TarHeader {
  readonly name: string
  readonly sizeBytes: number
  readonly modifiedMs: number
  /** One character. */
  readonly type: string
}

const SUM_OFFSET = 148
const SUM_BYTES = 8

/** @throws Failure `archive-invalid` for a wrong sum, or a number that is none, negative or too large */
export function decodeTarHeader(block: Buffer): TarHeader {
  checkSum(block)
  const magic = block.toString('latin1', 257, 262)
  // Old GNU headers have other things where POSIX has the prefix.
  const posix = magic === 'ustar' && block[262] === 0
  const prefix = posix ? text(block, 345, 155) : ''
  const name = text(block, 0, 100)
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    sizeBytes: decodeNumber(block, 124, 12),
    modifiedMs: decodeTime(block) * 1000,
    type: block.toString('latin1', 156, 157),
  }
}

/** Sums of unsigned bytes; some old tars added signed ones. */
function checkSum(block: Buffer): void {
  const stated = decodeNumber(block, SUM_OFFSET, SUM_BYTES)
  let sum = 0
  let signed = 0
  for (const [at, byte] of block.entries()) {
    const value = at >= SUM_OFFSET && at < SUM_OFFSET + SUM_BYTES ? 0x20 : byte
    sum += value
    signed += value > 0x7f ? value - 0x100 : value
  }
  if (stated !== sum && stated !== signed) throw invalid('the header of an entry is broken')
}

/** When a file was changed is no reason to refuse it. */
function decodeTime(block: Buffer): number {
  try {
    return decodeNumber(block, 136, 12)
  } catch {
    return 0
  }
}

/** Octal digits between spaces and NULs, or (GNU) a number of 95 bits behind a set highest bit. */
function decodeNumber(block: Buffer, offset: number, lengthBytes: number): number {
  const field = block.subarray(offset, offset + lengthBytes)
  const first = field[0] ?? 0
  if (first >= 0x80) return decodeBase256(field)
  const digits = field.toString('latin1').replace(/^[ \0]+|[ \0].*$/gs, '')
  if (!/^[0-7]*$/.test(digits)) throw invalid('a number in the header of an entry is none')
  return digits === '' ? 0 : Number.parseInt(digits, 8)
}

function decodeBase256(field: Buffer): number {
  let value = (field[0] ?? 0) & 0x7f
  for (const byte of field.subarray(1)) {
    value = value * 256 + byte
    // Negative numbers begin with 0xff, so they end here as well.
    if (value > Number.MAX_SAFE_INTEGER)
      throw invalid('a number in the header of an entry is too large')
  }
  return value
}

function text(block: Buffer, offset: number, lengthBytes: number): string {
  const end = block.indexOf(0, offset)
  const stop = end < 0 ? offset + lengthBytes : Math.min(end, offset + lengthBytes)
  return block.toString('utf8', offset, stop)
}
