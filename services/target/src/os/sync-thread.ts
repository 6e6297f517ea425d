/** A thread that blocks in syncfs(2), so that nobody else has to. */
import { parentPort } from 'node:worker_threads'
import { syncfsBlocking } from './libc.ts'
import type { SyncAnswer } from './sync-file-system.ts'

parentPort?.on('message', (fd: number) => {
  const answer: SyncAnswer = { ok: syncfsBlocking(fd) }
  parentPort?.postMessage(answer)
})
