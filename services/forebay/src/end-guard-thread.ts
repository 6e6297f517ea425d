import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'

/** A thread's own `process.stderr` goes through the main thread, which may hang. */
const STANDARD_ERROR = 2

const limitMs = Number(workerData)

setTimeout(() => {
  writeSync(
    STANDARD_ERROR,
    `forebay: the node did not close in ${limitMs} ms and ends now; the next start finds everything that was acknowledged\n`,
  )
  process.kill(process.pid, 'SIGKILL')
}, limitMs)
