import { fdatasync } from 'node:fs'
import { promisify } from 'node:util'
import { Failure } from '@forebay/base/failure'
import type { QuotaHold } from '../space/quotas.ts'
import type { Stored } from './contract.ts'
import type { InPack } from './packs.ts'
import type { Drive } from './store-context.ts'

const fdatasyncAsync = promisify(fdatasync)

/** A small object in a pack, until it is committed or discarded. */
export class PackedBytes implements Stored {
  readonly drive: Drive
  /** As its record's location names it: it stays there. */
  readonly place: string
  readonly inode: number
  readonly sizeBytes: number
  /** Nothing is renamed when it is committed. */
  readonly relativePath = ''
  readonly #room: { readonly quota: QuotaHold; readonly reservedBytes: number }
  #reserved = true
  #open = true
  /** Given up, and still on the disk. */
  #leaving = false

  constructor(
    drive: Drive,
    { path, inode, sizeBytes }: InPack & { readonly sizeBytes: number },
    room: { readonly quota: QuotaHold; readonly reservedBytes: number },
  ) {
    this.drive = drive
    this.place = path
    this.inode = inode
    this.sizeBytes = sizeBytes
    this.#room = room
    drive.openWork.add(this)
  }

  get mountpath(): number {
    return this.drive.mountpath.number
  }

  /** True until it was committed or given up. */
  get isOpen(): boolean {
    return this.#open
  }

  /** Brings the bytes to the disk. */
  async sync(): Promise<void> {
    const lease = this.drive.packs.lease({ path: this.place, inode: this.inode }, this.sizeBytes)
    if (lease === undefined) throw new Failure('disk-error', 'a file of small objects is gone')
    try {
      await fdatasyncAsync(lease.fd)
    } finally {
      lease.release()
    }
  }

  /** It is a record's now: `unlink` and `discard` leave it alone. */
  committed(): void {
    this.#open = false
  }

  /** Gives the bytes up, and the reservation back. Idempotent. */
  unlink(): void {
    if (!this.#open) return
    this.#open = false
    // Until then the blocks are taken.
    this.#leaving = true
    void this.drive.packs.free(this.place).then(() => {
      this.#leaving = false
      this.releaseReservation()
    })
  }

  discard(): void {
    this.unlink()
    this.drive.openWork.delete(this)
  }

  /** The bytes count as used, or are not needed. */
  releaseReservation(): void {
    if (!this.#reserved || this.#leaving) return
    this.#reserved = false
    this.#room.quota.release()
    this.drive.space.release(this.#room.reservedBytes)
  }
}
