import { Failure } from '@forebay/base/failure'
import { KEY_BYTES_MAX } from '@forebay/base/limits'

/** A member before it is written. */
export interface NewMember {
  /** Relative, with slashes; at most `KEY_BYTES_MAX` bytes of UTF-8. */
  readonly name: string
  readonly sizeBytes: number
  /** Milliseconds since 1970; archives keep seconds, ZIP every other one. */
  readonly modifiedMs: number
}

/** Hands the bytes of a member to `write`, in order. */
export type MemberBytes = (write: (chunk: Buffer) => void | Promise<void>) => Promise<void>

export interface ArchiveWriter {
  /**
   * Writes one member after those before it. Whatever it throws, the archive is not to be used.
   *
   * @throws Failure `key-invalid` for a name that no member may have, `body-incomplete` when there were
   * more or fewer bytes than announced; what `bytes` or the sink throws
   */
  add(member: NewMember, bytes: MemberBytes): Promise<void>
  /** Ends the archive, and the sink. */
  end(): Promise<void>
}

/**
 * Why a name cannot be that of a file in an archive, in a few words; `undefined`: it can. A name that
 * leads out of the folder in which somebody unpacks the archive is neither written nor read.
 *
 * @param nameBytesMax longest name, bytes of UTF-8
 */
export function memberNameProblem(name: string, nameBytesMax: number): string | undefined {
  if (name === '') return 'it has no name'
  if (Buffer.byteLength(name) > nameBytesMax) return `its name is longer than ${nameBytesMax} bytes`
  if (name.includes('\0')) return 'its name holds a NUL'
  if (name.startsWith('/')) return 'its name begins at the root'
  if (name.endsWith('/')) return 'its name is that of a folder'
  if (name.split('/').includes('..')) return 'its name leads out of the archive'
  return undefined
}

/** @throws Failure `key-invalid` */
export function checkMemberName(name: string): void {
  const problem = memberNameProblem(name, KEY_BYTES_MAX)
  if (problem !== undefined)
    throw new Failure('key-invalid', `${JSON.stringify(name)} cannot be archived: ${problem}`)
}

/** Passes exactly the announced bytes on. @throws Failure `body-incomplete` */
export async function pumpExactly(
  member: NewMember,
  bytes: MemberBytes,
  write: (chunk: Buffer) => void | Promise<void>,
): Promise<void> {
  let leftBytes = member.sizeBytes
  await bytes((chunk) => {
    leftBytes -= chunk.length
    if (leftBytes < 0) throw wrongLength(member)
    return write(chunk)
  })
  if (leftBytes !== 0) throw wrongLength(member)
}

function wrongLength({ name, sizeBytes }: NewMember): Failure {
  return new Failure('body-incomplete', `${name}: it does not have its ${sizeBytes} bytes`)
}
