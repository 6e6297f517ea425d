import { parseBytes } from '@forebay/base/bytes'
import type { JobOrder } from '@forebay/client/jobs'
import type { Command } from 'commander'
import { usageError } from '../exit-code.ts'

/** What every order of a job may state. */
export interface OrderOptions {
  readonly wait?: boolean | undefined
  readonly description?: string | undefined
  readonly priority?: string | undefined
  readonly concurrency?: string | undefined
  /** Bytes a second, as sizes are written. */
  readonly rate?: string | undefined
  readonly itemRate?: string | undefined
  readonly failuresMax?: string | undefined
}

/** Adds them to a command. */
export function orderOptions(command: Command): Command {
  return command
    .option('--description <text>', 'shown with the job')
    .option('--priority <word>', 'low, normal or high (default: normal)')
    .option('--concurrency <count>', 'objects at once on one node')
    .option('--rate <size>', 'bytes a second, like 100MiB')
    .option('--item-rate <count>', 'objects begun in a second')
    .option('--failures-max <count>', 'end the job when more objects than this failed')
}

/** The part of an order that the options say. @throws ForebayError `usage` */
export function readOrderOptions(
  options: OrderOptions,
): Pick<JobOrder, 'description' | 'priority' | 'limits'> {
  const { description, priority } = options
  if (priority !== undefined && !['low', 'normal', 'high'].includes(priority)) {
    throw usageError(`"${priority}" is no priority`, 'It is low, normal or high.')
  }
  const limits = {
    concurrency: readCount('--concurrency', options.concurrency, 1),
    itemsPerSecond: readCount('--item-rate', options.itemRate, 1),
    bytesPerSecond: readRate(options.rate),
    failuresMax: readCount('--failures-max', options.failuresMax, 0),
  }
  const isBounded = Object.values(limits).some((limit) => limit !== undefined)
  return { description, priority, limits: isBounded ? limits : undefined }
}

function readCount(name: string, text: string | undefined, min: number): number | undefined {
  if (text === undefined) return undefined
  const count = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(count) && count >= min) return count
  throw usageError(`"${text}" is no number for ${name}`, `Write a whole number from ${min} on.`)
}

function readRate(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const hint = 'Write bytes a second, like 100MiB.'
  let bytes: number
  try {
    bytes = parseBytes(text)
  } catch {
    throw usageError(`"${text}" is no rate`, hint)
  }
  if (bytes < 1) throw usageError(`"${text}" is no rate`, hint)
  return bytes
}
