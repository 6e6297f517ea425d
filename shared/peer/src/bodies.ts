import type { ServerResponse } from 'node:http'
import type { Checksum, ChecksumAlgorithm } from '@forebay/model/checksum'

/**
 * The bytes of an answer. Whoever got it either sends it or closes it, exactly once.
 */
export interface ObjectBody {
  readonly lengthBytes: number
  /**
   * The whole body when it is small and at hand without waiting; then nothing is left to send or
   * close. `undefined` otherwise.
   */
  take(): Buffer | undefined
  /**
   * Sends the whole answer when its body is small and at hand and the client's connection free; then
   * nothing is left to send or close. False otherwise, with nothing done. Absent: never.
   *
   * @param writeHead writes the head of the response; called once, before anything is sent
   * @throws Failure `object-corrupt` | `disk-error` before the head is written; the body is closed then
   */
  sendAtOnce?(response: ServerResponse, writeHead: () => void): boolean
  /**
   * Sends exactly `lengthBytes` after the head of the response was written, and ends the response.
   *
   * Resolves when the last byte was handed to the system. When the bytes cannot be had, or are of
   * another version, the connection is destroyed before its announced end and the promise rejects.
   * A client that leaves or stops reading for too long counts as `client-gone`.
   */
  sendTo(response: ServerResponse): Promise<void>
  /**
   * Hands all bytes to `write`, in order, instead of sending them, and closes the body. Absent: it can
   * only be sent.
   *
   * @throws as `sendTo`; what `write` throws; the signal's reason
   */
  pump?(write: (chunk: Buffer) => void | Promise<void>, signal: AbortSignal): Promise<void>
  /** Gives the body up unsent. */
  close(): void
}

/** What came of the checks on a body; only with it may the bytes be committed (rule 4). */
export interface BodyVerdict {
  /** Stated by the client and found right, in the order stated; to be stored with the object. */
  readonly checksums: readonly Checksum[]
}

/**
 * A body on its way in: decoded (no aws-chunked framing), one consumer.
 */
export interface IncomingBody {
  /** Length of the decoded body where the client said so. */
  readonly lengthBytes: number | undefined
  /** Digests of the whole body that `judge` will want; the consumer computes them as it goes. */
  readonly digestsNeeded: readonly ChecksumAlgorithm[]
  /**
   * Hands every chunk to `write`, in order, and stops reading from the client while a promise it
   * returned is pending. Chunk signatures and framing are checked on the way.
   *
   * Resolves after the last byte; rejects with a `Failure` when the body is short, broken, too slow
   * or its client gone. Chunks belong to the consumer.
   */
  pump(write: (chunk: Buffer) => void | Promise<void>, signal: AbortSignal): Promise<void>
  /**
   * Compares what the client stated (Content-MD5, x-amz-checksum-*, payload hash, trailers) with the
   * digests computed, lower-case hex. Call once, after `pump` resolved.
   *
   * @throws Failure `digest-mismatch` | `payload-hash-mismatch` | `digest-invalid`
   */
  judge(digests: ReadonlyMap<ChecksumAlgorithm, string>): BodyVerdict
}
