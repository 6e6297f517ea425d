import { createHash } from 'node:crypto'

/** Bytes of one cell: twelve that name the version, four with the number of the cell. */
const CELL_BYTES = 16

/** Distinguishes a body from every other of the run. */
export type BodyName = {
  readonly seed: number
  readonly key: string
  readonly version: number
  readonly sizeBytes: number
}

/**
 * A body that tells at every offset which version it is of and which offset it was, so that a
 * mixture of two versions, a shifted slice and a hole of zeros are all seen wherever they begin.
 */
export function makeBody(name: BodyName): Buffer {
  const { seed, key, version, sizeBytes } = name
  const tag = createHash('sha256').update(`${seed}/${key}/${version}`).digest()
  const cells = new Uint32Array(Math.ceil(sizeBytes / CELL_BYTES) * 4)
  const [a, b, c] = [tag.readUInt32LE(0), tag.readUInt32LE(4), tag.readUInt32LE(8)]
  for (let at = 0; at < cells.length; at += 4) {
    cells[at] = a
    cells[at + 1] = b
    cells[at + 2] = c
    cells[at + 3] = at / 4
  }
  return Buffer.from(cells.buffer, 0, sizeBytes)
}

/** What bytes are that no version explains: where they leave the version that begins them. */
export function describeBytes(bytes: Buffer, names: readonly BodyName[]): string {
  const reached = names.map((name) => {
    const body = makeBody(name)
    const end = Math.min(bytes.length, body.length)
    let same = 0
    while (same < end && bytes[same] === body[same]) same += 1
    return { name, same }
  })
  const best = reached.sort((one, other) => other.same - one.same)[0]
  if (best === undefined) return `${bytes.length} bytes of no version`
  const { version, sizeBytes } = best.name
  const next = bytes.subarray(best.same, best.same + CELL_BYTES).toString('hex')
  return `${bytes.length} bytes that are version ${version} (of ${sizeBytes} bytes) up to ${best.same}, then ${next}`
}

export function sha1Of(bytes: Buffer): string {
  return createHash('sha1').update(bytes).digest('hex')
}
