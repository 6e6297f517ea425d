import { afterAll, afterEach, expect, test, vi } from 'vitest'

/** What was asked of the disk, when it was done, by kind of file. */
const calls = vi.hoisted((): string[] => [])

/** The kind of a file of a mountpath by its path. */
const kindOf = vi.hoisted(() => (path: string): string => {
  if (path.includes('/.forebay/journal')) return 'journal'
  if (path.includes('/.forebay/work')) return 'work file'
  return path.includes('/.forebay') ? 'other' : 'object'
})

vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>()
  const kind = (fd: number): string => {
    const path = fs.readlinkSync(`/proc/self/fd/${fd}`)
    return fs.fstatSync(fd).isDirectory() ? `directory of ${kindOf(`${path}/`)}` : kindOf(path)
  }
  const traced =
    (
      what: string,
      sync: typeof fs.fsync,
    ): ((fd: number, done: (error: Error | null) => void) => void) =>
    (fd, done) => {
      const name = `${what} ${kind(fd)}`
      sync(fd, (error) => {
        calls.push(name)
        done(error)
      })
    }
  const changed = { fdatasync: traced('sync', fs.fdatasync), fsync: traced('sync', fs.fsync) }
  return { ...fs, ...changed, default: { ...fs, ...changed } }
})

vi.mock('node:fs/promises', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs/promises')>()
  const rename: typeof fs.rename = async (from, to) => {
    await fs.rename(from, to)
    calls.push(`rename ${kindOf(String(from))} to ${kindOf(String(to))}`)
  }
  const unlink: typeof fs.unlink = async (path) => {
    await fs.unlink(path)
    calls.push(`unlink ${kindOf(String(path))}`)
  }
  return { ...fs, rename, unlink, default: { ...fs, rename, unlink } }
})

// Files of tests share their modules: those of this one are read anew, over the calls that are traced.
vi.resetModules()
const { cachedBucket, NATIVE, pattern, Rig } = await import('./testing/rig.ts')

let rig: Awaited<ReturnType<typeof Rig.open>>
afterEach(() => rig.close())
afterAll(() => {
  vi.doUnmock('node:fs')
  vi.doUnmock('node:fs/promises')
  vi.resetModules()
})

const COMMIT = [
  'sync work file',
  'sync journal',
  'rename work file to object',
  'sync directory of object',
]

test('rule 2: data, journal, name and directory are on disk in this order before the answer', async () => {
  rig = await Rig.open()
  // The directories above are new with the first object, and are synced with it.
  await rig.put('first', 'text', { bucket: NATIVE })
  for (const bytes of [pattern(100), pattern(300_000)]) {
    calls.length = 0
    await rig.put('a', bytes, { bucket: NATIVE })
    expect(calls).toEqual(COMMIT)
  }
})

test('rule 2: a delete is in the journal on disk before the file goes', async () => {
  rig = await Rig.open()
  await rig.put('a', 'text', { bucket: NATIVE })
  calls.length = 0
  await rig.remove('a', NATIVE)
  expect(calls).toEqual(['sync journal', 'unlink object'])
})

test('rule 2: where the backend is the durable copy nothing waits for the disk', async () => {
  rig = await Rig.open(cachedBucket())
  await rig.put('first', 'text')
  calls.length = 0
  await rig.put('a', 'text')
  expect(calls).toEqual(['rename work file to object'])
})
