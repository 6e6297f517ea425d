/** A thread that blocks in fallocate(2), so that nobody else has to. */
import { parentPort } from 'node:worker_threads'
import { punchHoleBlocking } from './libc.ts'
import type { Hole, PunchAnswer } from './punch-holes.ts'

parentPort?.on('message', (holes: readonly Hole[]) => {
  const failed = holes.filter(
    ({ fd, offset, lengthBytes }) => !punchHoleBlocking(fd, offset, lengthBytes),
  )
  const answer: PunchAnswer = { failedCount: failed.length }
  parentPort?.postMessage(answer)
})
