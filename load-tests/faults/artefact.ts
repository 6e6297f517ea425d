import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT } from '../testkit/tool-install.ts'

/** Failures of one run that are written down; the first ones tell most. */
const ARTEFACTS_MAX = 20

const FOLDER = join(ROOT, 'load-tests', 'reports')

/** Writes what is needed to understand and to replay a failure: seed, fault, history. */
export class Artefacts {
  readonly #run: string
  readonly #seed: number
  #count = 0

  constructor(run: string, seed: number) {
    this.#run = run
    this.#seed = seed
  }

  /** @returns the path of the file; undefined beyond the limit */
  async write(facts: Readonly<Record<string, unknown>>): Promise<string | undefined> {
    if (this.#count >= ARTEFACTS_MAX) return undefined
    this.#count += 1
    await mkdir(FOLDER, { recursive: true })
    const path = join(FOLDER, `fault-${this.#run}-${this.#seed}-${this.#count}.json`)
    await writeFile(path, JSON.stringify({ run: this.#run, seed: this.#seed, ...facts }, null, 1))
    return path
  }
}
