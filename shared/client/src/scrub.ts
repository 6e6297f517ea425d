import type { ObjectUrl } from './address.ts'
import { Answer } from './answer.ts'
import type { Transport } from './transport.ts'

interface Call {
  readonly signal?: AbortSignal | undefined
}

/** One pass over the files of a node. */
export interface ScrubPassReport {
  /** `running`, `finished`, or `stopped` before its end. */
  readonly state: string
  readonly scope: string | undefined
  /** ISO 8601. */
  readonly started: string
  readonly ended: string | undefined
  readonly objects: number
  readonly bytes: number
  readonly damaged: number
  readonly repaired: number
  readonly adopted: number
  readonly unchecked: number
  readonly orphans: number
}

export interface ScrubFindingReport {
  readonly bucket: string | undefined
  readonly key: string | undefined
  readonly damage: string
  readonly action: string
  readonly path: string
  readonly found: string
}

/** How far the scrub of a node is. */
export interface ScrubReport {
  readonly state: string
  /** Why a running pass waits just now. */
  readonly waitsFor: string | undefined
  /** The pass under way, else the last one. */
  readonly pass: ScrubPassReport | undefined
  readonly lastWhole: ScrubPassReport | undefined
  readonly totalObjects: number | undefined
  readonly totalBytes: number | undefined
  readonly bytesPerSecond: number | undefined
  readonly remainingSeconds: number | undefined
  /** When the next pass begins by itself, ISO 8601. */
  readonly next: string | undefined
  /** Only where it was asked for. */
  readonly findings: readonly ScrubFindingReport[]
  /** The answer as it came. */
  readonly raw: unknown
}

/** The scrub of a node. */
export class Scrub {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** @param call `findings`: with the first of what was found; needs an admin */
  status(call: Call & { readonly findings?: boolean | undefined } = {}): Promise<ScrubReport> {
    return this.#ask('GET', { findings: call.findings === true ? 'true' : undefined }, call)
  }

  /** Begins a pass over everything, or over what `scope` names. @param call `rate`: a size a second */
  start(
    scope: ObjectUrl | undefined,
    call: Call & { readonly rate?: string | undefined } = {},
  ): Promise<ScrubReport> {
    const query = {
      bucket: scope?.bucket.name,
      provider: scope?.bucket.provider,
      prefix: scope?.key === '' ? undefined : scope?.key,
      rate: call.rate,
    }
    return this.#ask('POST', query, call)
  }

  /** Ends the pass under way. */
  stop(call: Call = {}): Promise<ScrubReport> {
    return this.#ask('DELETE', {}, call)
  }

  async #ask(
    method: string,
    query: Readonly<Record<string, string | undefined>>,
    { signal }: Call,
  ): Promise<ScrubReport> {
    const path = ['v1', 'forebay', 'scrub']
    const raw = await this.#transport.json({ method, path, query, signal })
    const answer = new Answer(raw)
    return {
      state: answer.text('state') ?? '',
      waitsFor: answer.text('waitsFor'),
      pass: passOf(answer, 'pass'),
      lastWhole: passOf(answer, 'lastWhole'),
      totalObjects: answer.number('totalObjects'),
      totalBytes: answer.number('totalBytes'),
      bytesPerSecond: answer.number('bytesPerSecond'),
      remainingSeconds: answer.number('remainingSeconds'),
      next: answer.text('next'),
      findings: answer.list('findings').map((finding) => ({
        bucket: finding.text('bucket'),
        key: finding.text('key'),
        damage: finding.text('damage') ?? '',
        action: finding.text('action') ?? '',
        path: finding.text('path') ?? '',
        found: finding.text('found') ?? '',
      })),
      raw,
    }
  }
}

function passOf(answer: Answer, name: string): ScrubPassReport | undefined {
  const pass = answer.nested(name)
  const state = pass.text('state')
  if (state === undefined) return undefined
  const count = (field: string): number => pass.number(field) ?? 0
  return {
    state,
    scope: pass.text('scope'),
    started: pass.text('started') ?? '',
    ended: pass.text('ended'),
    objects: count('objects'),
    bytes: count('bytes'),
    damaged: count('damaged'),
    repaired: count('repaired'),
    adopted: count('adopted'),
    unchecked: count('unchecked'),
    orphans: count('orphans'),
  }
}
