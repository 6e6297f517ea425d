import { expect, test } from 'vitest'
import { findLines, listSources } from './repository.ts'

/** A product file may read the environment here only. */
const ENVIRONMENT_READERS = /^shared\/config\//

/** Node's stream pipelines: two to five times the cost of the body sender, and heap per reader. */
const STREAM_CALLS =
  /\b(createReadStream|createWriteStream|PassThrough)\b|\.pipe\(|\bpipeline\(|reply\.send\([^)]*[sS]tream/

test('object bytes never pass through the stream pipelines of Node', () => {
  expect(listSources().flatMap((file) => findCode(file, STREAM_CALLS))).toEqual([])
})

test('only shared/config reads the environment', () => {
  const readers = listSources().filter((file) => !ENVIRONMENT_READERS.test(file))
  expect(readers.flatMap((file) => findCode(file, /\bprocess\.env\b/))).toEqual([])
})

test('AIStore words stay in shared/wire', () => {
  const files = listSources().filter((file) => !file.startsWith('shared/wire/'))
  expect(files.flatMap((file) => findCode(file, /\b(Smap|BMD|[xX]action|LOM)\b/))).toEqual([])
})

/** Lines of code, not of comments, that match. */
function findCode(file: string, pattern: RegExp): readonly string[] {
  return findLines(file, pattern).filter((hit) => !/^[^:]+:\d+: (\/\/|\/?\*)/.test(hit))
}
