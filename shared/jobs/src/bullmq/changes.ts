import type { Clock } from '@forebay/base/clock'
import { asList, asText } from './codec.ts'
import type { RedisClient, RedisLink } from './link.ts'

/** After a break, changes this much older than its beginning are told again. */
const OVERLAP_MS = 60_000

/** Jobs of which one break tells at most. */
const CATCH_UP_MAX = 10_000

/** What the scripts publish: that a job changed, and that it must not go on. */
export class Changes {
  readonly #link: RedisLink
  readonly #client: RedisClient
  readonly #onChange: (id: string) => void
  readonly #clock: Clock
  #heardAt: number

  constructor(options: {
    readonly link: RedisLink
    readonly clock: Clock
    readonly onChange: (id: string) => void
    readonly onStop: (id: string) => void
    readonly onTrouble: (error: unknown) => void
  }) {
    const { link, clock, onChange, onStop } = options
    this.#link = link
    this.#clock = clock
    this.#heardAt = clock.monotonic()
    this.#onChange = onChange
    this.#client = link.connect()
    const stops = link.key('stops')
    this.#client.on('message', (channel: string, id: string) => {
      if (channel === stops) onStop(id)
      else onChange(id)
    })
    this.#client.on('ready', () => {
      this.#catchUp().catch(options.onTrouble)
    })
    this.#client.on('close', () => {
      this.#heardAt = clock.monotonic()
    })
    this.#client.subscribe(link.key('changes'), stops).catch(options.onTrouble)
  }

  close(): void {
    this.#client.disconnect()
  }

  /** What was published while nobody listened here, by the clock of the server that noted it. */
  async #catchUp(): Promise<void> {
    const deafMs = this.#clock.monotonic() - this.#heardAt
    const since = (await this.#link.serverMs()) - deafMs - OVERLAP_MS
    const range = [this.#link.key('touched'), since, '+inf', 'LIMIT', 0, CATCH_UP_MAX]
    const ids = await this.#link.command('zrangebyscore', range)
    for (const id of asList(ids)) this.#onChange(asText(id))
  }
}
