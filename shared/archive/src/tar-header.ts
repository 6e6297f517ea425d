/** Headers of TAR: ustar (POSIX.1-1988), with pax records (POSIX.1-2001) for what it cannot say. */

export const TAR_BLOCK_BYTES = 512

/** Two blocks of zeros. */
export const TAR_END_BYTES = 2 * TAR_BLOCK_BYTES

/** Largest size in eleven octal digits: one byte less than 8 GiB. */
export const OCTAL_SIZE_MAX = 8 ** 11 - 1

const NAME_BYTES_MAX = 100
const PREFIX_BYTES_MAX = 155

/** Regular files that anybody may read. */
const MODE = 0o644

export interface TarFields {
  readonly name: string
  readonly sizeBytes: number
  readonly modifiedMs: number
}

/** Zeros behind a member, so that the next header begins at a whole block; 0..511. */
export function tarPaddingBytes(sizeBytes: number): number {
  return (TAR_BLOCK_BYTES - (sizeBytes % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES
}

/** What a member takes of the archive: headers, bytes and padding. */
export function tarMemberBytes(member: Pick<TarFields, 'name' | 'sizeBytes'>): number {
  const records = Buffer.byteLength(paxRecords(member))
  const pax = records === 0 ? 0 : TAR_BLOCK_BYTES + records + tarPaddingBytes(records)
  return pax + TAR_BLOCK_BYTES + member.sizeBytes + tarPaddingBytes(member.sizeBytes)
}

/** Everything that comes before the bytes of a regular file: one block, or a pax header before it. */
export function encodeTarHeader(member: TarFields): Buffer {
  const records = paxRecords(member)
  const split = splitName(member.name)
  const size = Math.min(member.sizeBytes, OCTAL_SIZE_MAX)
  const header = encodeBlock({
    ...(split ?? { prefix: '', name: cutName(member.name) }),
    size: member.sizeBytes > OCTAL_SIZE_MAX ? 0 : size,
    modifiedMs: member.modifiedMs,
    type: '0',
  })
  if (records === '') return header
  const body = Buffer.from(records)
  const pax = encodeBlock({
    prefix: '',
    name: `PaxHeaders/${cutName(member.name).slice(-(NAME_BYTES_MAX - 'PaxHeaders/'.length))}`,
    size: body.length,
    modifiedMs: member.modifiedMs,
    type: 'x',
  })
  return Buffer.concat([pax, body, Buffer.alloc(tarPaddingBytes(body.length)), header])
}

/** What the block cannot hold: a name that is long or not ASCII, a size over 8 GiB. */
function paxRecords({ name, sizeBytes }: Pick<TarFields, 'name' | 'sizeBytes'>): string {
  const path = splitName(name) === undefined ? paxRecord('path', name) : ''
  const size = sizeBytes > OCTAL_SIZE_MAX ? paxRecord('size', String(sizeBytes)) : ''
  return path + size
}

/** `LENGTH KEY=VALUE\n`; the length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  const restBytes = Buffer.byteLength(rest)
  let lengthBytes = restBytes + String(restBytes).length
  if (restBytes + String(lengthBytes).length !== lengthBytes)
    lengthBytes = restBytes + String(lengthBytes).length
  return `${lengthBytes}${rest}`
}

/** The two fields of a name; `undefined` where it does not go into them. */
function splitName(name: string): { readonly prefix: string; readonly name: string } | undefined {
  if (!isPrintableAscii(name)) return undefined
  if (name.length <= NAME_BYTES_MAX) return { prefix: '', name }
  const slash = name.indexOf('/', name.length - NAME_BYTES_MAX - 1)
  if (slash <= 0 || slash > PREFIX_BYTES_MAX || slash === name.length - 1) return undefined
  return { prefix: name.slice(0, slash), name: name.slice(slash + 1) }
}

function isPrintableAscii(name: string): boolean {
  return /^[\x20-\x7e]*$/.test(name)
}

/** For readers that know nothing of pax: some of the name. */
function cutName(name: string): string {
  return name.replace(/[^\x20-\x7e]/gu, '_').slice(-NAME_BYTES_MAX)
}

function encodeBlock(fields: {
  readonly prefix: string
  readonly name: string
  readonly size: number
  readonly modifiedMs: number
  readonly type: string
}): Buffer {
  const block = Buffer.alloc(TAR_BLOCK_BYTES)
  const seconds = Math.min(Math.max(0, Math.floor(fields.modifiedMs / 1000)), OCTAL_SIZE_MAX)
  block.write(fields.name, 0, NAME_BYTES_MAX, 'latin1')
  block.write(octal(MODE, 7), 100, 'latin1')
  // Owner and group 0: who wrote the archive says nothing about the objects.
  block.write(octal(0, 7), 108, 'latin1')
  block.write(octal(0, 7), 116, 'latin1')
  block.write(octal(fields.size, 11), 124, 'latin1')
  block.write(octal(seconds, 11), 136, 'latin1')
  block.write('        ', 148, 'latin1')
  block.write(fields.type, 156, 'latin1')
  block.write('ustar\x0000', 257, 'latin1')
  block.write(octal(0, 7), 329, 'latin1')
  block.write(octal(0, 7), 337, 'latin1')
  block.write(fields.prefix, 345, PREFIX_BYTES_MAX, 'latin1')
  // Six digits, NUL, space: as every tar writes it.
  block.write(`${octal(sumOf(block), 6)}\0 `, 148, 'latin1')
  return block
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0')
}

function sumOf(block: Buffer): number {
  let sum = 0
  for (const byte of block) sum += byte
  return sum
}
