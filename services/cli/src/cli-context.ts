import { ForebayClient } from '@forebay/client/client'
import {
  clientCredentials,
  clientEndpoint,
  clientToken,
  type Environment,
  wantsColor,
} from '@forebay/config/environment'

/** Where Forebay is looked for when nobody says. */
export const DEFAULT_ENDPOINT = 'http://127.0.0.1:8080'

/** A place to write text to. */
export interface TextOutput {
  write(text: string | Uint8Array): boolean
  once(event: 'drain', listener: () => void): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

/** What a command works with besides its arguments. */
export interface CliContext {
  readonly environment: Environment
  /** Results go here. */
  readonly stdout: TextOutput
  /** Progress, notes and errors go here. */
  readonly stderr: TextOutput
  readonly signal: AbortSignal
  readonly fetch?: typeof fetch | undefined
}

/** Options that every command takes. */
export interface GlobalOptions {
  readonly endpoint?: string | undefined
  readonly json?: boolean | undefined
  readonly quiet?: boolean | undefined
}

/** One run of a command. */
export interface Run {
  readonly context: CliContext
  readonly options: GlobalOptions
}

/** The client for the endpoint of `--endpoint`, else of the environment, else this machine's. */
export function clientOf({ context, options }: Run): ForebayClient {
  const { environment } = context
  return new ForebayClient({
    endpoint: options.endpoint ?? clientEndpoint(environment) ?? DEFAULT_ENDPOINT,
    credentials: clientCredentials(environment),
    token: clientToken(environment),
    fetch: context.fetch,
  })
}

/** True when output to people may be coloured. */
export function isColored({ context }: Run): boolean {
  return context.stdout.isTTY === true && wantsColor(context.environment)
}

/** Writes a line of the result. */
export function print({ context }: Run, line: string): void {
  context.stdout.write(`${line}\n`)
}

/** Writes a note for people; `--quiet` and `--json` leave it out. */
export function note({ context, options }: Run, line: string): void {
  if (options.quiet !== true && options.json !== true) context.stderr.write(`${line}\n`)
}

/** Writes bytes of the result and waits while the reader is slower than we are. */
export async function writeBytes({ context }: Run, bytes: Uint8Array): Promise<void> {
  if (context.stdout.write(bytes)) return
  await new Promise<void>((resolve) => context.stdout.once('drain', resolve))
}
