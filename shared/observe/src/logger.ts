import {
  type DestinationStream,
  destination as openDestination,
  type Logger as PinoLogger,
  pino,
  stdTimeFunctions,
} from 'pino'
import type { RecentLines } from './recent-lines.ts'
import { REDACTED, redactSecrets } from './secrets.ts'

/** A structured log: one event per line, fields first, a short message second. */
export type Logger = PinoLogger

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

export interface LoggerOptions {
  readonly level: LogLevel
  /** Where lines go; absent: standard output, written in the background. */
  readonly destination?: DestinationStream | undefined
  /** Fields of every line, such as the node's id. */
  readonly base?: Readonly<Record<string, string | number>> | undefined
  /** Keeps a copy of the lines, as they are written. */
  readonly recent?: RecentLines | undefined
}

/** Characters that wait for a slow reader of standard output; more lines are dropped. */
const BACKLOG_MAX = 8 * 1024 ** 2

/** Fields that are never written, wherever they stand, up to two levels deep. */
const SECRET_FIELDS = [
  'secretKey',
  'secretAccessKey',
  'sessionToken',
  'password',
  'token',
  'authorization',
  'Authorization',
  'cookie',
  'x-amz-security-token',
  'x-amz-copy-source-server-side-encryption-customer-key',
  'x-amz-server-side-encryption-customer-key',
]

/**
 * A logger that writes JSON lines with an ISO time, and no secret: fields by name, and every
 * registered or recognisable secret in any text.
 */
export function createLogger(options: LoggerOptions): Logger {
  const quoted = SECRET_FIELDS.map((field) => (/^\w+$/.test(field) ? field : `["${field}"]`))
  const paths = quoted.flatMap((field) => {
    const joined = field.startsWith('[') ? field : `.${field}`
    return [field, `*${joined}`, `*.*${joined}`]
  })
  const { recent } = options
  const clean = (line: string): string => {
    const written = redactSecrets(line)
    recent?.add(written)
    return written
  }
  return pino(
    {
      level: options.level,
      base: options.base ?? {},
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths, censor: REDACTED },
      hooks: { streamWrite: clean },
    },
    options.destination ?? openDestination({ dest: 1, sync: false, maxLength: BACKLOG_MAX }),
  )
}

/** Resolves when every line so far has been handed to the system; call before the process ends. */
export function flushLogger(logger: Logger): Promise<void> {
  return new Promise((resolve, reject) => {
    logger.flush((error) => {
      if (error === undefined || error === null) resolve()
      else reject(error)
    })
  })
}
