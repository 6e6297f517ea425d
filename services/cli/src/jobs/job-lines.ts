import type { JobReport } from '@forebay/client/jobs'
import type { Run } from '../cli-context.ts'
import { progressText } from './job-text.ts'

/** Shortest time between two looks of a terminal, ms. */
const REDRAW_MS = 100

/** Time between two lines about one job where there is no terminal, ms. */
const LINE_MS = 1000

/** Jobs that are drawn at once; of more, the first. */
const LINES_MAX = 10

/**
 * How far jobs are, on standard error: on a terminal lines that are written over, elsewhere a line a
 * second for each job that has moved; nothing with `--quiet` or `--json`.
 */
export class JobLines {
  readonly #run: Run
  readonly #now: () => number
  readonly #mode: 'redraw' | 'append' | 'silent'
  readonly #jobs = new Map<string, JobReport>()
  /** When each job was told of last, and how; where there is no terminal. */
  readonly #told = new Map<string, { readonly atMs: number; readonly text: string }>()
  #drawnMs = Number.NEGATIVE_INFINITY
  #drawnLines = 0

  /** @param now milliseconds that never go back */
  constructor(run: Run, now: () => number = () => performance.now()) {
    this.#run = run
    this.#now = now
    const { quiet, json } = run.options
    const isTerminal = run.context.stderr.isTTY === true
    this.#mode = quiet === true || json === true ? 'silent' : isTerminal ? 'redraw' : 'append'
  }

  show(job: JobReport): void {
    if (this.#mode === 'silent') return
    this.#jobs.set(job.id, job)
    if (this.#mode === 'append') this.#append(job)
    else if (this.#now() - this.#drawnMs >= REDRAW_MS) this.#draw()
  }

  /** Takes the lines of a job away, for what is told instead. */
  drop(id: string): void {
    this.#jobs.delete(id)
    this.clear()
  }

  /** Takes the lines away; what is shown next draws them anew. */
  clear(): void {
    if (this.#drawnLines === 0) return
    const up = this.#drawnLines > 1 ? `\x1b[${this.#drawnLines - 1}A` : ''
    this.#run.context.stderr.write(`\r${up}\x1b[J`)
    this.#drawnLines = 0
    this.#drawnMs = Number.NEGATIVE_INFINITY
  }

  #append(job: JobReport): void {
    const told = this.#told.get(job.id)
    const text = progressText(job)
    const now = this.#now()
    if (told !== undefined && (now - told.atMs < LINE_MS || told.text === text)) return
    this.#told.set(job.id, { atMs: now, text })
    this.#run.context.stderr.write(`${text}\n`)
  }

  #draw(): void {
    const { stderr } = this.#run.context
    // Terminals that do not know their width say 0; a line that wraps could not be written over.
    const width = stderr.columns === undefined || stderr.columns === 0 ? 80 : stderr.columns
    const lines = [...this.#jobs.values()]
      .slice(0, LINES_MAX)
      .map((job) => progressText(job).slice(0, width - 1))
    const up = this.#drawnLines > 1 ? `\x1b[${this.#drawnLines - 1}A` : ''
    stderr.write(`\r${up}\x1b[J${lines.join('\n')}`)
    this.#drawnLines = lines.length
    this.#drawnMs = this.#now()
  }
}
