import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { Failure } from '@forebay/base/failure'
import { compareKeys } from '@forebay/model/key'
import type { ListedObject } from '@forebay/model/object'
import { firstNotBefore } from './sorted-keys.ts'

/** Keys that may have changed since a snapshot; more: it is used no longer. */
export const CHANGED_KEYS_MAX = 50_000

/** What a key is now: an object, nothing, or to be asked. */
export type NowState = ListedObject | 'gone' | 'unknown'

interface Change {
  /** Of the last word about it. */
  at: number
  now: NowState
  /** Mutations under way. */
  running: number
  /** Two were under way at once: which one the store took last, it alone knows. */
  overlapped: boolean
}

/** A snapshot that is being made, and since when. */
export interface Building {
  readonly build: string
  readonly since: number
}

type Line = readonly ['now', string, NowState] | readonly ['build', string] | readonly ['lost']

/**
 * The keys that may have changed since the list behind a snapshot was begun, in memory and in a file that
 * is written before the change is made: after a crash of the process no key is missing.
 *
 * The file is written synchronously, a few microseconds in the page cache: an order of promises would
 * have to be kept otherwise.
 */
export class Changes {
  #path: string
  readonly #keysMax: number
  readonly #changes = new Map<string, Change>()
  /** Keys of `#changes`, by bytes of UTF-8. */
  #sorted: string[] = []
  #fd: number
  #lines = 0
  #moment = 0
  #lostAt: number | undefined
  #building: Building | undefined
  #isClosed = false

  private constructor(path: string, keysMax: number) {
    this.#path = path
    this.#keysMax = keysMax
    for (const line of readLines(path)) this.#replay(line)
    this.#fd = openSync(path, 'a', 0o600)
  }

  static open(path: string, keysMax = CHANGED_KEYS_MAX): Changes {
    return new Changes(path, keysMax)
  }

  /** Writes the file of another snapshot: what was said since `since`, and what is under way. */
  prepare(path: string, since: number): void {
    this.#rewrite(path, since)
  }

  /** Goes on in the file that was prepared, without what the snapshot has. */
  adopt(path: string, since: number): void {
    closeSync(this.#fd)
    this.#path = path
    this.#fd = openSync(path, 'a', 0o600)
    for (const [key, { at, running }] of this.#changes) {
      if (at <= since && running === 0) this.#changes.delete(key)
    }
    this.#sorted = [...this.#changes.keys()].sort(compareKeys)
    if (this.#lostAt !== undefined && this.#lostAt <= since) this.#lostAt = undefined
    this.#building = undefined
  }

  get size(): number {
    return this.#changes.size
  }

  /** Changes were not noted: nobody knows of which keys. */
  get isLost(): boolean {
    return this.#lostAt !== undefined
  }

  get building(): Building | undefined {
    return this.#building
  }

  /** From now on everything is noted for this snapshot as well. */
  beginBuild(build: string): void {
    this.#append(['build', build])
    this.#noteBuild(build)
  }

  get(key: string): NowState | undefined {
    return this.#changes.get(key)?.now
  }

  /** At most `count` keys from `from` on, a copy. */
  keysFrom(from: string, count: number): readonly string[] {
    const at = this.#position(from)
    return this.#sorted.slice(at, at + count)
  }

  /** A mutation of the key begins. @returns to be called with what the key is after it */
  begin(key: string): (now: NowState) => void {
    const change = this.#note(key, 'unknown')
    if (change.running > 0) change.overlapped = true
    change.running += 1
    return (now) => {
      change.running -= 1
      const current = this.#note(key, change.overlapped ? 'unknown' : now)
      if (current !== change && current.running > 0) {
        current.now = 'unknown'
        current.overlapped = true
      }
      if (change.running === 0) change.overlapped = false
    }
  }

  /** When the last word about the key was said, for `learn`. */
  momentOf(key: string): number | undefined {
    return this.#changes.get(key)?.at
  }

  /** Takes what the store answered about a key, unless something was said of it since `moment`. */
  learn(key: string, now: NowState, moment: number | undefined): void {
    const change = this.#changes.get(key)
    if (change === undefined || change.at !== moment || change.running > 0) return
    this.#append(['now', key, now])
    change.now = now
  }

  /** Everything may have changed. */
  lose(): void {
    this.#append(['lost'])
    this.#noteLost()
  }

  /** What mutations that are under way say later is noted nowhere. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    fsyncSync(this.#fd)
    closeSync(this.#fd)
  }

  #note(key: string, now: NowState): Change {
    if (this.#changes.size >= this.#keysMax && !this.#changes.has(key)) this.lose()
    this.#append(['now', key, now])
    return this.#noteNow(key, now)
  }

  #noteNow(key: string, now: NowState): Change {
    this.#moment += 1
    const known = this.#changes.get(key)
    if (known !== undefined) {
      known.now = now
      known.at = this.#moment
      return known
    }
    const change = { at: this.#moment, now, running: 0, overlapped: false }
    this.#changes.set(key, change)
    this.#sorted.splice(this.#position(key), 0, key)
    return change
  }

  #noteLost(): void {
    this.#moment += 1
    this.#lostAt = this.#moment
    this.#changes.clear()
    this.#sorted.length = 0
  }

  #noteBuild(build: string): void {
    this.#building = { build, since: this.#moment }
  }

  #replay([what, name, now]: Line): void {
    this.#lines += 1
    if (what === 'lost') this.#noteLost()
    else if (what === 'build' && name !== undefined) this.#noteBuild(name)
    else if (name !== undefined && now !== undefined) this.#noteNow(name, now)
  }

  #append(line: Line): void {
    if (this.#isClosed) return
    writeSync(this.#fd, `${JSON.stringify(line)}\n`)
    this.#lines += 1
    // Keys that change again and again must not make the file grow for ever.
    if (this.#lines <= 4 * this.#keysMax + 1000) return
    this.#rewrite(this.#path, -1)
    closeSync(this.#fd)
    this.#fd = openSync(this.#path, 'a', 0o600)
  }

  /** Replaces a file by what is known now and was said after `since`. */
  #rewrite(path: string, since: number): void {
    const kept = [...this.#changes].filter(([, { at, running }]) => at > since || running > 0)
    kept.sort(([, a], [, b]) => a.at - b.at)
    const lines: Line[] = []
    const building = since < 0 ? this.#building : undefined
    const isLost = this.#lostAt !== undefined && this.#lostAt > since
    if (isLost && (building === undefined || (this.#lostAt ?? 0) <= building.since))
      lines.push(['lost'])
    const isBefore = (at: number): boolean => building !== undefined && at <= building.since
    for (const [key, { now, at }] of kept) if (isBefore(at)) lines.push(['now', key, now])
    if (building !== undefined) lines.push(['build', building.build])
    if (isLost && building !== undefined && (this.#lostAt ?? 0) > building.since)
      lines.push(['lost'])
    for (const [key, { now, at }] of kept) if (!isBefore(at)) lines.push(['now', key, now])
    writeWhole(`${path}.new`, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
    renameSync(`${path}.new`, path)
    this.#lines = lines.length
  }

  /** Of the first key that is not before `key`. */
  #position(key: string): number {
    return firstNotBefore(this.#sorted.length, (at) => this.#sorted[at], key)
  }
}

function writeWhole(path: string, text: string): void {
  const fd = openSync(path, 'w', 0o600)
  try {
    writeSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function readLines(path: string): readonly Line[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
  // What stands behind the last end of a line was never finished, and its change never begun.
  const lines = text.split('\n').slice(0, -1)
  try {
    return lines.map((line): Line => JSON.parse(line))
  } catch {
    throw new Failure('internal', `${path} is not what was written`)
  }
}
