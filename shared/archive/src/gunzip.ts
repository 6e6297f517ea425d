import { once } from 'node:events'
import { createGunzip, createInflateRaw, type Gunzip, type InflateRaw } from 'node:zlib'
import { type ArchiveLimits, checkExpansion, invalid } from './limits.ts'

/** Unpacked at a time, bytes; with the engine's own buffers all that is in memory. */
const CHUNK_BYTES = 64 * 1024

/** Unpacks gzip, of one stream or several in a row. @throws Failure `archive-invalid` */
export function gunzip(
  packed: AsyncIterable<Buffer>,
  limits: ArchiveLimits,
): AsyncGenerator<Buffer> {
  return unpack(createGunzip({ chunkSize: CHUNK_BYTES }), packed, limits)
}

/** Unpacks deflate without any header, as it is in a ZIP. @throws Failure `archive-invalid` */
export function inflateRaw(
  packed: AsyncIterable<Buffer>,
  limits: ArchiveLimits,
): AsyncGenerator<Buffer> {
  return unpack(createInflateRaw({ chunkSize: CHUNK_BYTES }), packed, limits)
}

/** Feeds the engine and takes from it side by side: it unpacks no more than is taken. */
async function* unpack(
  engine: Gunzip | InflateRaw,
  packed: AsyncIterable<Buffer>,
  limits: ArchiveLimits,
): AsyncGenerator<Buffer> {
  const over = new AbortController()
  const fed = { bytes: 0, error: undefined as unknown }
  const feeding = feed(engine, packed, { fed, signal: over.signal })
  let bytes = 0
  try {
    for await (const chunk of engine) {
      if (!Buffer.isBuffer(chunk)) throw invalid('it unpacks to something that is no bytes')
      bytes += chunk.length
      checkExpansion(fed.bytes, bytes, limits)
      yield chunk
    }
  } catch (error) {
    throw isOfEngine(error)
      ? (fed.error ?? invalid('what is packed in it is broken', error))
      : error
  } finally {
    over.abort()
    engine.destroy()
    await feeding
  }
}

/** Never throws: what goes wrong at the source ends the engine, and is told by it. */
async function feed(
  engine: Gunzip | InflateRaw,
  packed: AsyncIterable<Buffer>,
  {
    fed,
    signal,
  }: { readonly fed: { bytes: number; error: unknown }; readonly signal: AbortSignal },
): Promise<void> {
  try {
    for await (const chunk of packed) {
      if (signal.aborted) return
      fed.bytes += chunk.length
      if (!engine.write(chunk)) await once(engine, 'drain', { signal })
    }
    engine.end()
  } catch (error) {
    if (signal.aborted) return
    fed.error = error
    engine.destroy(error instanceof Error ? error : undefined)
  }
}

/** Errors of zlib have codes like `Z_DATA_ERROR`; what we throw ourselves has none of those. */
function isOfEngine(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')
}
