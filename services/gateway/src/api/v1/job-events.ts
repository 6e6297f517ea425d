import { JOB_ENDS } from '@forebay/jobs/job'
import type { JobCaller } from '../../jobs/job-caller.ts'
import { type JobService, OPEN_STATES } from '../../jobs/job-service.ts'
import { type ShortJob, shortenJob } from '../../jobs/job-view.ts'
import type { Exchange } from './exchange.ts'

/** How often a stream says that it lives, ms; proxies end silent connections after 30 to 60 s. */
const KEEP_ALIVE_MS = 15_000

/** Longest time that a reader may take none of what was written, ms; then it has left. */
const STALL_MS = 60_000

/** Jobs that a stream begins with. */
const FIRST_JOBS_MAX = 100

/**
 * `GET /v1/jobs/events`: server-sent events (WHATWG HTML §9.2). It begins with the jobs that have not
 * ended, then each job comes as it changes: `event: job` with the job, `event: removed` with `{"id"}`.
 */
export function streamJobs(
  exchange: Exchange,
  service: JobService,
  caller: JobCaller,
): Promise<void> {
  return stream(exchange, service, async (sender) => {
    const stop = service.watch(caller, (id, job) => sender.put(id, job))
    try {
      const open = await service.list({ states: OPEN_STATES, max: FIRST_JOBS_MAX }, caller)
      for (const job of open.toReversed()) sender.putFirst(job.id, job)
      sender.begin()
      await sender.ended
    } finally {
      stop()
    }
  })
}

/**
 * `GET /v1/jobs/{id}/events`: the job as it is and at each change, until it has ended or is removed;
 * then `event: end`.
 *
 * @throws Failure `job-not-found`
 */
export function streamJob(
  exchange: Exchange,
  service: JobService,
  asked: { readonly id: string; readonly caller: JobCaller },
): Promise<void> {
  const { id, caller } = asked
  return stream(exchange, service, async (sender) => {
    const stop = service.watch(caller, (changed, job) => {
      if (changed === id) sender.put(id, job)
    })
    try {
      sender.putFirst(id, shortenJob(await service.get(id, caller)))
      sender.endWith(id)
      sender.begin()
      await sender.ended
    } finally {
      stop()
    }
  })
}

async function stream(
  exchange: Exchange,
  service: JobService,
  work: (sender: EventSender) => Promise<void>,
): Promise<void> {
  const sender = new EventSender(exchange, service)
  try {
    await work(sender)
  } finally {
    sender.close()
  }
}

/**
 * Writes the newest state of each job to one reader. What a slow reader did not take yet is replaced
 * by what is newer, so that a stream holds one state a job however long it is not read.
 */
class EventSender {
  /** Resolves when nothing more will be written. */
  readonly ended: Promise<void>
  readonly #exchange: Exchange
  readonly #service: JobService
  readonly #pending = new Map<string, ShortJob | undefined>()
  readonly #stop = new AbortController()
  #end: () => void = () => undefined
  /** Ends the wait for what is being written. */
  #sent: () => void = () => undefined
  #begun = false
  #isWriting = false
  #lastId: string | undefined

  constructor(exchange: Exchange, service: JobService) {
    this.#exchange = exchange
    this.#service = service
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    for (const signal of [exchange.signal, service.closing]) {
      signal.addEventListener('abort', () => this.close(), {
        once: true,
        signal: this.#stop.signal,
      })
      if (signal.aborted) this.close()
    }
  }

  /** A state to be written unless a newer one waits already. */
  putFirst(id: string, job: ShortJob): void {
    if (!this.#pending.has(id)) this.put(id, job)
  }

  put(id: string, job: ShortJob | undefined): void {
    this.#pending.set(id, job)
    void this.#write()
  }

  /** The stream ends when this job has. */
  endWith(id: string): void {
    this.#lastId = id
  }

  /** Sends the head; what was put before waits for it. */
  begin(): void {
    if (this.#stop.signal.aborted) return
    this.#exchange.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      // nginx would otherwise keep events back until its buffer is full.
      'X-Accel-Buffering': 'no',
    })
    this.#exchange.response.flushHeaders()
    const timer = setInterval(() => this.#keepAlive(), KEEP_ALIVE_MS)
    this.#stop.signal.addEventListener('abort', () => clearInterval(timer), { once: true })
    this.#begun = true
    void this.#write()
  }

  /** Ends the stream where it is. */
  close(): void {
    if (this.#stop.signal.aborted) return
    this.#stop.abort()
    if (this.#begun) this.#exchange.response.end()
    this.#sent()
    this.#end()
  }

  /** Not while something is being written: that says the same, or the reader takes nothing anyway. */
  #keepAlive(): void {
    if (!this.#isWriting) this.#exchange.response.write(': keep-alive\n\n')
  }

  /** Nobody waits for it: what is thrown here ends this stream, and nothing else. */
  async #write(): Promise<void> {
    if (!this.#begun || this.#isWriting) return
    this.#isWriting = true
    try {
      for (;;) {
        const first = this.#pending.entries().next().value
        if (first === undefined || this.#stop.signal.aborted) break
        const [id, job] = first
        this.#pending.delete(id)
        await this.#send(this.#render(id, job))
        const isOver = job === undefined || JOB_ENDS.has(job.state)
        if (id === this.#lastId && isOver) {
          await this.#send(this.#renderEnd(id, job))
          this.close()
        }
      }
    } catch (error) {
      const { context, requestId, response } = this.#exchange
      context.report(error, requestId)
      // Cut, not ended: the reader is not to take it for all there is.
      response.destroy()
      this.close()
    }
    // With no pause since nothing was pending: what is put from here on writes anew.
    this.#isWriting = false
  }

  /**
   * Resolves when the operating system took the text, or the stream ended. Not by `drain`: Node 26 forgets
   * it for a chunked answer whose socket is full while less than its own buffer waits.
   */
  async #send(text: string): Promise<void> {
    if (this.#stop.signal.aborted) return
    const { response } = this.#exchange
    const { promise, resolve } = Promise.withResolvers<void>()
    // Whether the reader left or stands still, nothing of the answer can reach it any more.
    const timer = setTimeout(() => {
      response.destroy()
      this.close()
    }, STALL_MS)
    this.#sent = resolve
    response.write(text, () => resolve())
    await promise
    clearTimeout(timer)
  }

  #render(id: string, job: ShortJob | undefined): string {
    if (job === undefined) return `event: removed\ndata: ${JSON.stringify({ id })}\n\n`
    const view = this.#service.view(job)
    return `event: job\ndata: ${JSON.stringify(view)}\n\n`
  }

  #renderEnd(id: string, job: ShortJob | undefined): string {
    const last = job === undefined ? { id } : this.#service.view(job)
    return `event: end\ndata: ${JSON.stringify(last)}\n\n`
  }
}
