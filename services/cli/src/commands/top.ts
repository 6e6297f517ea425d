import { setTimeout as sleep } from 'node:timers/promises'
import { parseDuration } from '@forebay/base/duration'
import type { ForebayClient } from '@forebay/client/client'
import { MetricsText } from '@forebay/observe/metrics-text'
import { clientOf, print, type Run } from '../cli-context.ts'
import { usageError } from '../exit-code.ts'
import { formatError } from '../output/error-text.ts'
import { measure, type Scrape, type TopFrame, withCost } from '../top/frame.ts'
import { frameLines, HISTORY_MAX } from '../top/frame-lines.ts'

export interface TopOptions {
  /** One frame, then the end. */
  readonly once?: boolean | undefined
  /** Time between two looks, as settings write durations. */
  readonly interval?: string | undefined
  /** What a GiB out of the store costs, in any currency. */
  readonly egressPrice?: string | undefined
  /** What a thousand reads cost there. */
  readonly requestPrice?: string | undefined
}

const INTERVAL_DEFAULT = '2s'
const INTERVAL_MIN_MS = 100
const INTERVAL_MAX_MS = 3_600_000

const HOME_AND_CLEAR = '\x1b[H\x1b[J'
const ENTER_SCREEN = '\x1b[?1049h\x1b[?25l'
const LEAVE_SCREEN = '\x1b[?25h\x1b[?1049l'

/**
 * `forebay top`: what the node does, again and again until Ctrl-C. On a terminal each frame takes the
 * place of the last; elsewhere they follow each other. `--json` writes one object a line.
 */
export async function runTop(run: Run, options: TopOptions): Promise<void> {
  const intervalMs = parseInterval(options.interval ?? INTERVAL_DEFAULT)
  const prices = {
    perGib: parsePrice(options.egressPrice),
    perThousandRequests: parsePrice(options.requestPrice),
  }
  const client = clientOf(run)
  const { signal } = run.context
  // Whoever asks for a node that is not there wants to know it at once.
  let before = await scrape(client, signal)
  const screen = new Screen(run, options.once === true)
  try {
    for (;;) {
      await sleep(intervalMs, undefined, { signal })
      const after = await nextScrape({ client, screen, signal, once: options.once === true })
      if (after !== undefined) {
        screen.show(withCost(measure(before, after), prices), client.endpoint)
        before = after
      }
      if (options.once === true) return
    }
  } catch (error) {
    // Ctrl-C is how one leaves it.
    if (!signal.aborted || options.once === true) throw error
  } finally {
    screen.leave()
  }
}

function parseInterval(text: string): number {
  const hint = 'Write it like 2s or 500ms, from 100ms to 1h.'
  let ms: number
  try {
    ms = parseDuration(text)
  } catch {
    throw usageError(`"${text}" is no interval`, hint)
  }
  if (ms < INTERVAL_MIN_MS || ms > INTERVAL_MAX_MS) throw usageError(`${text} is no interval`, hint)
  return ms
}

function parsePrice(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d+(?:\.\d+)?$/.test(text)) {
    throw usageError(`"${text}" is no price`, 'Write a number like 0.09; the currency is yours.')
  }
  return Number(text)
}

async function scrape(client: ForebayClient, signal: AbortSignal): Promise<Scrape> {
  const text = await client.metrics({ signal })
  return { metrics: new MetricsText(text), atMs: Date.now() }
}

/** The next scrape; a node that restarts meanwhile is waited for, and the screen tells it. */
async function nextScrape(situation: {
  readonly client: ForebayClient
  readonly screen: Screen
  readonly signal: AbortSignal
  readonly once: boolean
}): Promise<Scrape | undefined> {
  const { client, screen, signal, once } = situation
  try {
    return await scrape(client, signal)
  } catch (error) {
    if (once || signal.aborted) throw error
    screen.tell(error)
    return undefined
  }
}

/** Where frames are shown. */
class Screen {
  readonly #run: Run
  readonly #redraws: boolean
  readonly #history: TopFrame[] = []
  #entered = false

  constructor(run: Run, once: boolean) {
    this.#run = run
    this.#redraws = run.context.stdout.isTTY === true && run.options.json !== true && !once
  }

  show(frame: TopFrame, endpoint: string): void {
    if (this.#run.options.json === true) {
      // `undefined` would leave fields out, and readers with them.
      const withNulls = (_name: string, value: unknown): unknown => value ?? null
      print(this.#run, JSON.stringify(frame, withNulls))
      return
    }
    this.#history.push(frame)
    if (this.#history.length > HISTORY_MAX) this.#history.shift()
    this.#draw(frameLines(frame, endpoint, this.#redraws ? this.#history : [frame]))
  }

  /** A failure between two frames. */
  tell(error: unknown): void {
    if (this.#redraws) this.#draw([...formatError(error), '', 'Trying again; Ctrl-C ends.'])
    else for (const line of formatError(error)) this.#run.context.stderr.write(`${line}\n`)
  }

  leave(): void {
    if (this.#entered) this.#run.context.stdout.write(LEAVE_SCREEN)
  }

  #draw(lines: readonly string[]): void {
    const { stdout } = this.#run.context
    if (!this.#redraws) {
      for (const line of lines) print(this.#run, line)
      print(this.#run, '')
      return
    }
    if (!this.#entered) stdout.write(ENTER_SCREEN)
    this.#entered = true
    // Terminals that do not know their width say 0.
    const width = stdout.columns === undefined || stdout.columns === 0 ? 80 : stdout.columns
    stdout.write(`${HOME_AND_CLEAR}${lines.map((line) => line.slice(0, width)).join('\n')}\n`)
  }
}
