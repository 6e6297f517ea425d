import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { openDirect } from '../os/direct-file.ts'
import { DiskGate } from '../os/disk-gate.ts'
import { createBodySink } from './body-sink.ts'
import { DIRECT_WRITE_BYTES } from './direct-sink.ts'
import { Files } from './testing/body-server.ts'

// Apart from the others: a disk that refused once is not asked again in this process.
test('a body goes on through the page cache when the disk refuses a direct write', async () => {
  const source = randomBytes(5 * DIRECT_WRITE_BYTES + 9)
  const files = new Files()
  try {
    const path = files.path()
    const fd = files.open(path, 'wx+')
    const sink = createBodySink({
      fd,
      expectedBytes: source.length,
      ringBytes: 2 * DIRECT_WRITE_BYTES,
      gate: refusingFirst(),
    })
    await sink.write(source)
    await sink.flush()
    sink.close()
    expect(readFileSync(path).equals(source)).toBe(true)
    expect(openDirect(fd)).toBeUndefined()
  } finally {
    files.close()
  }
})

/** A gate whose first operation ends as a write does that the file system cannot do. */
function refusingFirst(): DiskGate {
  const gate = new DiskGate()
  const run = gate.run.bind(gate)
  let first = true
  gate.run = (operation, options) => {
    if (!first) return run(operation, options)
    first = false
    return Promise.reject(Object.assign(new Error('EINVAL: no'), { code: 'EINVAL' }))
  }
  return gate
}
