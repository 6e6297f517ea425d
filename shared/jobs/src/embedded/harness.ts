import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JobEngineHarness, JobStore, OpenEngine } from '../conformance/case.ts'
import { PlayedClock, StoppableClock } from '../conformance/played-clock.ts'
import { EmbeddedEngine } from './embedded-engine.ts'
import { JobTable } from './job-table.ts'
import { openJobRows } from './rows.ts'

/** The embedded engine over folders of their own, with played time. For tests. */
export const EMBEDDED_HARNESS: JobEngineHarness = {
  name: 'embedded',
  enginesMax: 1,
  seeds: Array.from({ length: 8 }, (_, at) => at + 1),
  openStore: async () => new FolderStore(),
}

class FolderStore implements JobStore {
  readonly clock = new PlayedClock()
  readonly #folder = mkdtempSync(join(tmpdir(), 'forebay-jobs-'))
  readonly #living = new Set<EmbeddedEngine>()

  pass(ms: number): Promise<void> {
    return this.clock.pass(ms)
  }

  async open(): Promise<OpenEngine> {
    const clock = new StoppableClock(this.clock)
    const table = await JobTable.open(this.#folder)
    const engine = new EmbeddedEngine(table, { clock })
    this.#living.add(engine)
    return {
      engine,
      // Nothing that it waits for comes any more, neither of its worker nor of the clock; a write that
      // is under way is done, as it might have been a moment before.
      kill: async () => {
        clock.stop()
        await table.close()
        this.#living.delete(engine)
      },
    }
  }

  turnWallClock(ms: number): void {
    this.clock.turn(ms)
  }

  async spoil(id: string, what: 'record' | 'pages' | 'schedule'): Promise<void> {
    const { root, serials, transact, close } = await openJobRows(this.#folder)
    const serial = serials.get(id) ?? 0
    const names = { record: 'heads', pages: 'pages', schedule: 'schedules' }
    const database = root.openDB({ name: names[what], encoding: 'binary' })
    const keys =
      what === 'schedule' ? [id] : [...database.getKeys({ start: [serial], end: [serial + 1] })]
    await transact(() => {
      for (const key of keys) database.putSync(key, Buffer.from([0xc1, 0xff, 0x00, 0x93]))
    })
    await close()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#living].map((engine) => engine.close()))
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
