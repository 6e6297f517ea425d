/** A file to put into an archive. */
export interface TarEntry {
  /** Path inside, ASCII, at most 100 characters. */
  readonly name: string
  readonly text: string
}

const BLOCK_BYTES = 512
const NAME_BYTES_MAX = 100
const FILE_MODE = '0000600'

/** A tar archive of small files (POSIX.1-1988 `ustar`), whole in memory. */
export function packTar(entries: readonly TarEntry[], atMs: number): Buffer {
  const parts: Buffer[] = []
  for (const { name, text } of entries) {
    const body = Buffer.from(text)
    const padding = (BLOCK_BYTES - (body.length % BLOCK_BYTES)) % BLOCK_BYTES
    parts.push(headOf(name, body.length, atMs), body, Buffer.alloc(padding))
  }
  // Two empty blocks end an archive.
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK_BYTES)])
}

function headOf(name: string, sizeBytes: number, atMs: number): Buffer {
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) throw new RangeError(`name too long: ${name}`)
  const head = Buffer.alloc(BLOCK_BYTES)
  const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0')
  head.write(name, 0)
  head.write(FILE_MODE, 100)
  head.write(octal(0, 7), 108)
  head.write(octal(0, 7), 116)
  head.write(octal(sizeBytes, 11), 124)
  head.write(octal(Math.floor(atMs / 1000), 11), 136)
  // The checksum counts itself as blanks.
  head.write(' '.repeat(8), 148)
  head.write('0', 156)
  head.write('ustar\x0000', 257)
  const sum = head.reduce((total, byte) => total + byte, 0)
  head.write(`${octal(sum, 6)}\0 `, 148)
  return head
}
