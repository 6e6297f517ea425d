const BLOCK_BYTES = 512

/** One member of a tar file; the name is ASCII of at most 100 bytes. */
export type TarMember = { readonly name: string; readonly content: Uint8Array }

/** Header and padded content of one member, in the POSIX ustar form; owner and time are fixed. */
export function tarMember({ name, content }: TarMember): Buffer {
  if (Buffer.byteLength(name) > 100) throw new RangeError(`tar name of over 100 bytes: ${name}`)
  const paddedBytes = Math.ceil(content.length / BLOCK_BYTES) * BLOCK_BYTES
  const block = Buffer.alloc(BLOCK_BYTES + paddedBytes)
  block.write(name, 0, 'ascii')
  block.write('0000644\0', 100)
  block.write('0000000\0', 108)
  block.write('0000000\0', 116)
  block.write(`${octal(content.length, 11)}\0`, 124)
  block.write(`${octal(0, 11)}\0`, 136)
  block.write('        0', 148)
  block.write('ustar\x0000', 257)
  const sum = block.subarray(0, BLOCK_BYTES).reduce((total, byte) => total + byte, 0)
  block.write(`${octal(sum, 6)}\0 `, 148)
  block.set(content, BLOCK_BYTES)
  return block
}

/** Two empty blocks end a tar file. */
export const TAR_END = Buffer.alloc(2 * BLOCK_BYTES)

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0')
}
