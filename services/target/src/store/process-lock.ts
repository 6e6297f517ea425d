import { once } from 'node:events'
import { closeSync, openSync, renameSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { Failure } from '@forebay/base/failure'
import { errorCode } from './journal.ts'

/** A directory that only this process uses. */
export interface ProcessLock {
  release(): Promise<void>
}

const LOCK_NAME = 'lock'

/**
 * Takes the directory for this process, or refuses when a living process has it.
 *
 * The lock is a listening socket: the kernel ends it with its process, whatever ended that, and
 * unlike a process id it cannot be mistaken for somebody else's in another container. A socket that
 * nobody listens on is left over from a crash.
 *
 * @throws Failure `setting-invalid` when the directory is in use
 */
export async function lockDirectory(directory: string): Promise<ProcessLock> {
  const fd = openSync(directory, 'r')
  // Through the descriptor the name stays short: socket paths may have 107 bytes.
  const path = `/proc/self/fd/${fd}/${LOCK_NAME}`
  try {
    const server = await takeOver(path, directory)
    // The descriptor stays open with the lock: the socket's own clean-up at `close` uses this path.
    return {
      release: async () => {
        const closed = once(server, 'close')
        server.close()
        await closed
        closeSync(fd)
      },
    }
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

async function takeOver(path: string, directory: string): Promise<Server> {
  const server = await listen(path)
  if (server !== undefined) return server
  if (await answers(path)) throw inUse(directory)
  // Moved away first, so that of two processes that find it one moves a dead socket for sure.
  const stale = `${path}.${process.pid}`
  try {
    renameSync(path, stale)
  } catch {
    throw inUse(directory)
  }
  if (await answers(stale)) {
    renameSync(stale, path)
    throw inUse(directory)
  }
  unlinkSync(stale)
  const second = await listen(path)
  if (second === undefined) throw inUse(directory)
  return second
}

function inUse(directory: string): Failure {
  return new Failure('setting-invalid', `${directory} is in use by another process`, {
    hint: 'Stop the other node, or give this one a mountpath of its own.',
  })
}

/** @returns undefined when the name is taken */
async function listen(path: string): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy())
  server.unref()
  try {
    server.listen(path)
    await once(server, 'listening')
    return server
  } catch (error) {
    if (errorCode(error) === 'EADDRINUSE') return undefined
    throw error
  }
}

async function answers(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    // ECONNREFUSED: nobody listens; ENOENT: gone meanwhile. Neither is a living owner.
    return false
  } finally {
    socket.destroy()
  }
}
