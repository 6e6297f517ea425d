/** Why an entry of an archive is no member. Links and devices are never followed, nor made. */
export type LeftOut =
  | 'folder'
  | 'link'
  | 'device'
  | 'sparse'
  | 'encrypted'
  /** Packed in a way that we cannot unpack. */
  | 'method'
  /** Leads out of the archive, is none, or is too long. */
  | 'name'
  | 'other'

/** A file in an archive. */
export interface ArchiveMember {
  readonly kind: 'member'
  readonly name: string
  readonly sizeBytes: number
  /** Milliseconds since 1970. */
  readonly modifiedMs: number
  /** First of its bytes in the archive as it is before packing; in a ZIP: of its header in the file. */
  readonly offsetBytes: number
  /**
   * Its bytes, verified as far as the format has checksums; to be read before the next entry is asked
   * for, or not at all.
   *
   * @throws Failure `archive-invalid`
   */
  bytes(): AsyncGenerator<Buffer>
}

/** An entry in the order of the archive. */
export type ArchiveEntry =
  | ArchiveMember
  | { readonly kind: 'left-out'; readonly name: string; readonly why: LeftOut }
