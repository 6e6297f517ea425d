import { isFailure } from '@forebay/base/failure'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ARCHIVE_FORMATS } from './format.ts'
import { ARCHIVE_LIMITS } from './limits.ts'
import { pack, unpack } from './testing/archives.ts'

const MEMBERS = {
  'a.txt': 'first',
  'ü/b.bin': Buffer.alloc(3000, 'abc'),
  ['n'.repeat(200)]: '',
  'c.txt': 'x'.repeat(700),
}

const LIMITS = { ...ARCHIVE_LIMITS, entriesMax: 100 }

/** @returns `read`, or the code with which it was refused */
async function outcome(format: (typeof ARCHIVE_FORMATS)[number], bytes: Buffer): Promise<string> {
  try {
    await unpack(format, bytes, LIMITS)
    return 'read'
  } catch (error) {
    if (isFailure(error)) return error.code
    throw error
  }
}

test.each(ARCHIVE_FORMATS)(
  '%s: whatever bytes of an archive change, it is read or refused',
  async (format) => {
    const archive = await pack(format, MEMBERS)
    const mutation = fc.record({
      changes: fc.array(fc.tuple(fc.nat(archive.length - 1), fc.nat(255)), { maxLength: 8 }),
      cutBytes: fc.oneof(fc.constant(0), fc.nat(archive.length)),
      doubled: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(mutation, async ({ changes, cutBytes, doubled }) => {
        const changed = Buffer.from(archive)
        for (const [at, byte] of changes) changed[at] = byte
        const cut = changed.subarray(0, changed.length - cutBytes)
        const bytes = doubled ? Buffer.concat([cut, cut]) : cut
        expect(['read', 'archive-invalid']).toContain(await outcome(format, bytes))
      }),
      { numRuns: 400 },
    )
  },
)

test.each(ARCHIVE_FORMATS)(
  '%s: random bytes are refused, or are an archive of nothing',
  async (format) => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), async (bytes) => {
        expect(['read', 'archive-invalid']).toContain(await outcome(format, Buffer.from(bytes)))
      }),
      { numRuns: 200 },
    )
  },
)
