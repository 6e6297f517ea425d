/**
 * Preloaded into a node: at SIGUSR2 it reads how many syncs and renames are to succeed before one fails, as
 * a disk fails. Nothing fails before, nor after that one; a negative number makes all of them fail.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { env } from 'node:process'

const state = { left: Number.POSITIVE_INFINITY }

process.on('SIGUSR2', () => {
  const text = fs.readFileSync(env['BROKEN_DISK_FILE'] ?? '', 'utf8')
  state.left = text === '' ? Number.POSITIVE_INFINITY : Number(text)
})

/** The failure of this call, if it is the one. */
function failure(call: string): NodeJS.ErrnoException | undefined {
  if (state.left < 0) return ioError(call)
  state.left -= 1
  if (state.left >= 0) return undefined
  state.left = Number.POSITIVE_INFINITY
  return ioError(call)
}

function ioError(call: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`EIO: i/o error, ${call}`), {
    code: 'EIO',
    errno: -5,
    syscall: call,
  })
}

type Callback = (error: NodeJS.ErrnoException | null) => void

for (const call of ['fsync', 'fdatasync'] as const) {
  const real = fs[call]
  const broken = (fd: number, done: Callback): void => {
    const error = failure(call)
    if (error === undefined) real(fd, done)
    else setImmediate(done, error)
  }
  Object.defineProperty(fs, call, { value: broken, configurable: true, writable: true })
}

const rename = fs.promises.rename
const brokenRename = async (from: string, to: string): Promise<void> => {
  const error = failure('rename')
  if (error !== undefined) throw error
  await rename(from, to)
}
Object.defineProperty(fs.promises, 'rename', {
  value: brokenRename,
  configurable: true,
  writable: true,
})
syncBuiltinESMExports()
