import { spawnSync } from 'node:child_process'
import { mkdir, open, rm } from 'node:fs/promises'
import { runCommand } from '../testkit/run-command.ts'
import { requireTool } from '../testkit/tools.ts'

/** EXT4_IOC_SHUTDOWN, and its way "do not even flush the log". */
const SHUTDOWN_IOCTL = 0x8004587d
const SHUTDOWN_WITHOUT_FLUSH = 2

/** `ioctl(2)` on a directory of the file system; Node has no call for it. */
const SHUTDOWN_PROGRAM = `
import fcntl, os, struct, sys
disk = os.open(sys.argv[1], os.O_RDONLY)
fcntl.ioctl(disk, ${SHUTDOWN_IOCTL}, struct.pack('I', ${SHUTDOWN_WITHOUT_FLUSH}))
`

/**
 * Commits of the file system's own log are this far apart, seconds: within a test nothing reaches the
 * disk that nobody synced.
 */
const LOG_COMMIT_SECONDS = 300

/** An ext4 in a file, whose power can be cut. Needs root. */
export class LoopDisk {
  /** Where it is mounted. */
  readonly path: string
  readonly #image: string
  #mounted = false

  private constructor(folder: string) {
    this.path = `${folder}/disk`
    this.#image = `${folder}/disk.image`
  }

  /** Makes and mounts it. @param folder an empty directory that exists */
  static async create(folder: string, sizeBytes: number): Promise<LoopDisk> {
    const disk = new LoopDisk(folder)
    const image = await open(disk.#image, 'w')
    await image.truncate(sizeBytes)
    await image.close()
    await runCommand(requireTool('power-loss'), ['-q', '-F', disk.#image])
    await mkdir(disk.path)
    await disk.mount()
    return disk
  }

  async mount(): Promise<void> {
    const options = `loop,commit=${LOG_COMMIT_SECONDS}`
    await runCommand('mount', ['-o', options, this.#image, this.path])
    this.#mounted = true
    process.once('exit', this.#detach)
  }

  /** What was not synced is gone from this moment on, and every write fails. */
  async cutPower(): Promise<void> {
    await runCommand('python3', ['-c', SHUTDOWN_PROGRAM, this.path])
  }

  /** Nobody may use it any more. Detaches the loop device as well. */
  async unmount(): Promise<void> {
    if (!this.#mounted) return
    await runCommand('umount', [this.path]).catch(() => runCommand('umount', ['-l', this.path]))
    this.#mounted = false
    process.off('exit', this.#detach)
  }

  /** A run that ends early leaves no mount behind. */
  readonly #detach = (): void => void spawnSync('umount', ['-l', this.path])

  /** Unmounts and removes the image. */
  async remove(): Promise<void> {
    await this.unmount()
    await rm(this.#image, { force: true })
  }
}
