import type { S3Client } from '@aws-sdk/client-s3'
import { classifyThrown } from './classify-error.ts'
import type { Connection } from './connection.ts'

/**
 * Runs one command of the vendor's SDK; no object bytes go this way.
 *
 * @throws Failure as `classifyThrown` has it, or the signal's reason
 */
export async function callSdk<T>(
  connection: Connection,
  what: string,
  call: {
    readonly signal: AbortSignal
    send(sdk: S3Client, signal: AbortSignal): Promise<T>
  },
): Promise<T> {
  call.signal.throwIfAborted()
  try {
    return await call.send(connection.sdk, call.signal)
  } catch (error) {
    throw classifyThrown(error, what, call.signal)
  }
}
