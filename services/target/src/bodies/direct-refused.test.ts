import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, expect, test, vi } from 'vitest'

// A disk that refused once is not asked again, and files of tests share their modules: those of this
// one are its own, or the others would write past the page cache no more.
vi.resetModules()
const { openDirect } = await import('../os/direct-file.ts')
const { DiskGate } = await import('../os/disk-gate.ts')
const { createBodySink } = await import('./body-sink.ts')
const { DIRECT_WRITE_BYTES } = await import('./direct-sink.ts')
const { Files } = await import('./testing/body-server.ts')
afterAll(() => void vi.resetModules())

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
function refusingFirst(): InstanceType<typeof DiskGate> {
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
