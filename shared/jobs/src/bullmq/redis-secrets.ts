import type { RedisAddress } from './redis-address.ts'

/** What stands in place of a secret. */
const HIDDEN = '(secret)'

/** Shorter ones would stand in ordinary words: they are hidden only where they stand alone. */
const LENGTH_SURE = 6

/**
 * Keeps what opens a Redis out of errors. Some servers and proxies quote the commands that they refuse,
 * and ioredis hangs each command with its arguments on the error of it: passwords, and arguments of jobs.
 */
export class RedisSecrets {
  readonly #pattern: RegExp | undefined

  constructor({ password, sentinelPassword, tls }: RedisAddress) {
    const words = [password ?? '', sentinelPassword ?? '', tls?.key ?? '']
      .filter((word) => word !== '')
      .flatMap((word) => [word, JSON.stringify(word).slice(1, -1), encodeURIComponent(word)])
      .sort((first, second) => second.length - first.length)
    const forms = [...new Set(words)].map((word) =>
      word.length < LENGTH_SURE
        ? `(?<![A-Za-z0-9])${RegExp.escape(word)}(?![A-Za-z0-9])`
        : RegExp.escape(word),
    )
    if (forms.length > 0) this.#pattern = new RegExp(forms.join('|'), 'g')
  }

  hide(text: string): string {
    return this.#pattern === undefined ? text : text.replace(this.#pattern, HIDDEN)
  }

  /** An error that says the same, and has nothing but name, message, code and where it was thrown. */
  clean(error: unknown): Error {
    if (!(error instanceof Error)) return new Error(this.hide(String(error)))
    const clean = new Error(this.hide(error.message))
    clean.name = error.name
    if (error.stack !== undefined) clean.stack = this.hide(error.stack)
    const code = 'code' in error ? error.code : undefined
    return typeof code === 'string' ? Object.assign(clean, { code }) : clean
  }
}
