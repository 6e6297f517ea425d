/** LZ4 Frame Format 1.6.x: the numbers that writer and reader share. */

export const LZ4_MAGIC = 0x184d2204
/** Sixteen magics of frames that hold something else and are passed over. */
export const LZ4_SKIPPABLE_MAGIC = 0x184d2a50
/** Version 01, blocks independent, checksum of the content. */
export const LZ4_FLAGS = 0b0110_0100
/** Blocks of at most 1 MiB. */
export const LZ4_BLOCK_CODE = 6
/** In the size of a block: it is stored as it is. */
export const LZ4_STORED = 0x8000_0000

/** Largest block by its code in the descriptor, bytes; `undefined`: no such code. */
export function lz4BlockBytes(code: number): number | undefined {
  return code < 4 || code > 7 ? undefined : 2 ** (8 + 2 * code)
}
