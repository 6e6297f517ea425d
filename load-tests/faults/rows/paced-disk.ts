/**
 * Preloaded into a node: from SIGUSR2 on, while there is a FIFO of that name, every read of a file on
 * the failing disk takes one byte out of it first, in the thread that reads. So the disk is as fast as
 * the bytes come, and hangs while none come, and it holds the threads that a disk would hold.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { env } from 'node:process'
import { promisify } from 'node:util'

const root = `${env['FAILING_DISK']}/`
const fifoPath = env['PACED_DISK_FIFO'] ?? ''
const state: { fifo: number | undefined } = { fifo: undefined }

process.on('SIGUSR2', () => {
  // Opened for both, so that no end is seen when the other side has none open.
  state.fifo = fs.existsSync(fifoPath) ? fs.openSync(fifoPath, 'r+') : undefined
})

const realRead = fs.read
const realReadAsync = promisify(fs.read)
const realReadlink = fs.readlinkSync

function isSlow(fd: number): boolean {
  if (state.fifo === undefined) return false
  try {
    return realReadlink(`/proc/self/fd/${fd}`).startsWith(root)
  } catch {
    // Closed meanwhile: the read itself will say so.
    return false
  }
}

async function takeTurn(): Promise<void> {
  if (state.fifo !== undefined) await realReadAsync(state.fifo, Buffer.alloc(1), 0, 1, null)
}

type ReadArguments = [fd: number, into: Buffer, offset: number, length: number, position: number]

const pacedRead = async (...args: ReadArguments) => {
  if (isSlow(args[0])) await takeTurn()
  return realReadAsync(...args)
}

Object.defineProperty(fs, 'read', {
  value: Object.assign(
    (...args: [...ReadArguments, (error: Error | null, bytes?: number) => void]) => {
      const done = args[5]
      if (!isSlow(args[0])) return realRead(...args)
      return takeTurn().then(() => realRead(...args), done)
    },
    { [promisify.custom]: pacedRead },
  ),
  configurable: true,
  writable: true,
})

const { readFile } = fs.promises
Object.defineProperty(fs.promises, 'readFile', {
  value: async (...args: Parameters<typeof readFile>) => {
    if (state.fifo !== undefined && String(args[0]).startsWith(root)) await takeTurn()
    return readFile(...args)
  },
  configurable: true,
  writable: true,
})
syncBuiltinESMExports()
