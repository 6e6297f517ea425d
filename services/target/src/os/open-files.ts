import { readFileSync } from 'node:fs'

/** What is assumed where the system does not say: the smallest limit that systems give. */
const LIMIT_ASSUMED = 1024

/** Less would not let a node work at all. */
const SHARE_MIN = 16

/** Most descriptors that this process may have (RLIMIT_NOFILE; Node raises it as far as it may). */
export function openFilesLimit(): number {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
    return match === null ? LIMIT_ASSUMED : Number(match[1])
  } catch {
    // No /proc.
    return LIMIT_ASSUMED
  }
}

/**
 * The part of the limit that cached files may take, and connections as much again. A connection at
 * work needs up to two more: the file that is written or read, and a connection to the backend.
 */
export function openFilesShare(limit = openFilesLimit()): number {
  return Math.max(SHARE_MIN, Math.floor(limit / 4))
}
