import { asList, asText } from './codec.ts'
import type { RedisClient, RedisLink } from './link.ts'

/** After a break, changes this much older than its beginning are told again: clocks differ. */
const OVERLAP_MS = 60_000

/** Jobs of which one break tells at most. */
const CATCH_UP_MAX = 10_000

/** What the scripts publish: that a job changed, and that it must not go on. */
export class Changes {
  readonly #link: RedisLink
  readonly #client: RedisClient
  readonly #onChange: (id: string) => void
  readonly #onTrouble: (error: unknown) => void
  #heardMs = Date.now()

  constructor(options: {
    readonly link: RedisLink
    readonly onChange: (id: string) => void
    readonly onStop: (id: string) => void
    readonly onTrouble: (error: unknown) => void
  }) {
    const { link, onChange, onStop } = options
    this.#link = link
    this.#onChange = onChange
    this.#onTrouble = options.onTrouble
    this.#client = link.connect()
    const stops = link.key('stops')
    this.#client.on('message', (channel: string, id: string) => {
      if (channel === stops) onStop(id)
      else onChange(id)
    })
    this.#client.on('ready', () => this.#catchUp())
    this.#client.on('close', () => {
      this.#heardMs = Date.now()
    })
    this.#client.subscribe(link.key('changes'), stops).catch(options.onTrouble)
  }

  close(): void {
    this.#client.disconnect()
  }

  /** What was published while nobody listened here. */
  #catchUp(): void {
    const since = this.#heardMs - OVERLAP_MS
    const range = [this.#link.key('touched'), since, '+inf', 'LIMIT', 0, CATCH_UP_MAX]
    this.#link.command('zrangebyscore', range).then((ids) => {
      for (const id of asList(ids)) this.#onChange(asText(id))
    }, this.#onTrouble)
  }
}
