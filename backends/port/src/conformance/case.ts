import assert from 'node:assert/strict'
import { type FailureCode, isFailure } from '@forebay/base/failure'
import type {
  Backend,
  Capabilities,
  MutationOperations,
  ReadResult,
  UploadBody,
} from '../backend.ts'

/** An empty bucket, and ways to it besides the backend under test. */
export interface OpenStore {
  readonly backend: Backend
  /** A backend of a bucket that does not exist. */
  readonly missing: Backend
  /** Name of the bucket, as a copy names its source. */
  readonly bucket: string
  /** Writes at the store, behind the backend's back. */
  put(key: string, bytes: Buffer): Promise<void>
  /** Deletes at the store, behind the backend's back. */
  remove(key: string): Promise<void>
  close(): Promise<void>
}

/** One adapter under test; what sets its store apart is a parameter here. */
export interface ConformanceHarness {
  readonly capabilities: Capabilities
  /** Smallest part but the last, bytes. */
  readonly partBytesMin: number
  /** Keys that the store cannot hold and that are left out (`a//b` on a file system). */
  readonly keysRefused?: readonly string[]
  /** How the store orders names: by bytes of UTF-8 (default), or by units of UTF-16. */
  readonly listOrder?: 'utf-8' | 'utf-16'
  /** Stated digests by which wrong bytes are refused, and that come back. Default: md5 and sha256. */
  readonly digestsVerified?: readonly ('md5' | 'sha256' | 'crc32c')[]
  /** True where the store has tags of objects and buckets. */
  readonly tagging?: boolean
  /** True when the store returns stored headers besides Content-Type and Content-Encoding. */
  readonly storedHeaders?: boolean
  /** True where a read cannot tell an absent bucket from an absent object (directories of web servers). */
  readonly absentBucketReadsAbsent?: boolean
  open(): Promise<OpenStore>
}

export interface ConformanceCase {
  readonly title: string
  run(): Promise<void>
}

export interface Scenario {
  readonly title: string
  needs?(harness: ConformanceHarness): boolean
  play(store: OpenStore, harness: ConformanceHarness): Promise<void>
}

/** Reproducible bytes that look random. */
export function testBytes(lengthBytes: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(lengthBytes)
  let state = (seed * 2654435761) >>> 0 || 1
  for (let at = 0; at < lengthBytes; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    bytes[at] = state & 0xff
  }
  return bytes
}

/** A signal that is never aborted. */
export function quietSignal(): AbortSignal {
  return new AbortController().signal
}

/** A body that can be had again. */
export function bodyOf(bytes: Buffer, chunkBytes = 64 * 1024): UploadBody {
  return {
    lengthBytes: bytes.length,
    repeatable: true,
    async *chunks() {
      for (let at = 0; at < bytes.length; at += chunkBytes) {
        yield bytes.subarray(at, at + chunkBytes)
      }
    },
  }
}

/** A write without anything special. */
export function plainWrite(key: string): Parameters<MutationOperations['write']>[0] {
  return { key, headers: {}, metadata: {}, conditions: {}, checksums: [], signal: quietSignal() }
}

export function mutationsOf(store: OpenStore): MutationOperations {
  assert(store.backend.mutations !== undefined)
  return store.backend.mutations
}

type Found = Extract<ReadResult, { kind: 'found' }>

/** Reads and expects to find. The caller consumes or discards the body. */
export async function readFound(
  backend: Backend,
  options: Omit<Parameters<Backend['read']>[0], 'signal'>,
): Promise<Found> {
  const result = await backend.read({ signal: quietSignal(), ...options })
  assert(result.kind === 'found', `${options.key} is ${result.kind}`)
  return result
}

/** All bytes of a body. */
export async function drain(found: Found): Promise<Buffer> {
  const chunks: Buffer[] = []
  await found.body.pump((chunk) => {
    chunks.push(Buffer.from(chunk))
  })
  return Buffer.concat(chunks)
}

/** The bytes of the object as the backend reads them now, `undefined` when it is absent. */
export async function bytesNow(backend: Backend, key: string): Promise<Buffer | undefined> {
  const result = await backend.read({ key, signal: quietSignal() })
  if (result.kind === 'absent') return undefined
  assert(result.kind === 'found')
  return drain(result)
}

/** Compares bytes without printing megabytes of them. */
export function assertSameBytes(found: Buffer | undefined, wanted: Buffer): void {
  assert(found !== undefined, 'the object is absent')
  assert.equal(found.length, wanted.length, 'length in bytes')
  assert(found.equals(wanted), 'the bytes differ')
}

/** Expects a `Failure` with one of these codes. */
export async function assertFails(
  work: Promise<unknown>,
  ...codes: readonly FailureCode[]
): Promise<void> {
  const outcome: unknown = await work.then(
    () => 'success',
    (error: unknown) => error,
  )
  const told = isFailure(outcome) ? `${outcome.code} (${outcome.message})` : String(outcome)
  assert(isFailure(outcome, ...codes), `wanted ${codes.join(' or ')}, got ${told}`)
}
