import { isFailure } from '@forebay/base/failure'
import { compareKeys } from '@forebay/model/key'
import { bodyOf, cachedBucket, NATIVE, pattern, Rig } from '@forebay/target/objects/testing/rig'
import { KEYS, type Operation, SIZES, type Variant } from './operations.ts'

const BLOCK_BYTES = 64 * 1024

/** Failures that a fault of the script explains; the model then only narrows what may be there. */
const EXPLAINED = [
  'backend-unreachable',
  'backend-timeout',
  'backend-corrupt',
  'backend-changed',
  'unavailable',
] as const

/**
 * Runs one sequence against a real store and compares every answer with a Map.
 *
 * @throws at the first answer that the model does not allow
 */
export async function runSequence(
  variant: Variant,
  operations: readonly Operation[],
): Promise<void> {
  const rig = await Rig.open(bucketOf(variant))
  const run = new Run(rig, variant)
  try {
    for (const operation of operations) await run.step(operation)
    for (let key = 0; key < KEYS.length; key++) await run.step({ kind: 'get', key })
    await run.step({ kind: 'crash' })
    for (let key = 0; key < KEYS.length; key++) await run.step({ kind: 'get', key })
    await run.step({ kind: 'list' })
  } finally {
    await rig.close()
  }
}

function bucketOf(variant: Variant) {
  if (variant === 'native') return NATIVE
  const sparse = { blockBytes: BLOCK_BYTES, sparseThresholdBytes: 2 * BLOCK_BYTES }
  return cachedBucket(variant === 'shared' ? { ...sparse, revalidate: { kind: 'always' } } : sparse)
}

class Run {
  readonly #rig: Rig
  readonly #variant: Variant
  /** What each key of a native bucket may hold; one value unless a crash left it open. */
  readonly #model = new Map<string, readonly (Buffer | undefined)[]>()

  constructor(rig: Rig, variant: Variant) {
    this.#rig = rig
    this.#variant = variant
  }

  async step(operation: Operation): Promise<void> {
    const rig = this.#rig
    switch (operation.kind) {
      case 'put':
        return this.#write(operation.key, content(operation), (key, bytes) => rig.put(key, bytes))
      case 'put-if-absent':
        return this.#putIfAbsent(operation)
      case 'multipart':
        return this.#multipart(operation)
      case 'delete':
        return this.#write(operation.key, undefined, (key) => rig.remove(key))
      case 'copy':
        return this.#copy(operation)
      case 'get':
        return this.#get(operation.key, undefined)
      case 'range':
        return this.#get(operation.key, operation)
      case 'head':
        return this.#head(operation.key)
      case 'list':
        return this.#list()
      case 'evict':
        await rig.target.evict({ ...this.#address(operation.key), conditions: {} })
        return undefined
      case 'restart':
        return rig.restart()
      case 'crash':
        return rig.crash()
      case 'crash-in-put':
      case 'crash-in-delete':
      case 'crash-in-get':
        return this.#crashIn(operation)
      case 'drop-answer':
        rig.remote.addFault({
          action: { kind: 'drop-answer' },
          on: ['write', 'delete', 'copy', 'complete-upload'],
        })
        return undefined
      case 'cut-answer':
        rig.remote.addFault({
          action: { kind: 'cut-body', afterBytes: operation.after },
          on: ['read'],
        })
        return undefined
      case 'remote-put':
        rig.remote.put('remote', nameOf(operation.key), content(operation))
        return undefined
      case 'remote-delete':
        rig.remote.delete('remote', nameOf(operation.key))
        return undefined
      case 'wait':
        rig.clock.shiftMs += operation.ms
        return undefined
      default:
        return operation satisfies never
    }
  }

  /** What the key may hold now: the backend's word, or the model's for a native bucket. */
  #allowed(key: string): readonly (Buffer | undefined)[] {
    if (this.#variant === 'native') return this.#model.get(key) ?? [undefined]
    return [this.#rig.remote.bytes('remote', key)]
  }

  #address(key: number) {
    return { bucket: this.#rig.bucket, key: nameOf(key), signal: new AbortController().signal }
  }

  async #write(
    keyIndex: number,
    bytes: Buffer | undefined,
    act: (key: string, bytes: Buffer) => Promise<unknown>,
  ): Promise<void> {
    const key = nameOf(keyIndex)
    const before = this.#allowed(key)
    try {
      await act(key, bytes ?? Buffer.alloc(0))
      this.#model.set(key, [bytes])
      if (this.#variant !== 'native') this.#expectRemote(key, bytes)
    } catch (error) {
      if (!isFailure(error, ...EXPLAINED)) throw error
      this.#model.set(key, [...before, bytes])
    }
  }

  /** An acknowledged write is at the backend. */
  #expectRemote(key: string, bytes: Buffer | undefined): void {
    const found = this.#rig.remote.bytes('remote', key)
    if (!same(found, bytes))
      throw new Error(`${key}: acknowledged as ${tell(bytes)}, the backend has ${tell(found)}`)
  }

  async #putIfAbsent(operation: Extract<Operation, { kind: 'put-if-absent' }>): Promise<void> {
    const key = nameOf(operation.key)
    const before = this.#allowed(key)
    try {
      await this.#write(operation.key, content(operation), (name, bytes) =>
        this.#rig.put(name, bytes, { conditions: { ifNoneMatch: ['*'] } }),
      )
      if (!before.includes(undefined)) throw new Error(`${key}: overwritten although it existed`)
    } catch (error) {
      if (!isFailure(error, 'precondition-failed')) throw error
      this.#model.set(
        key,
        before.filter((value) => value !== undefined),
      )
      if (before.every((value) => value === undefined))
        throw new Error(`${key}: refused although it was absent`)
    }
  }

  async #multipart(operation: Extract<Operation, { kind: 'multipart' }>): Promise<void> {
    const { target } = this.#rig
    const parts = [pattern(5 * 1024 ** 2, operation.seed), pattern(1000, operation.seed + 1)]
    const address = this.#address(operation.key)
    await this.#write(operation.key, Buffer.concat(parts), async () => {
      const { uploadId } = await target.createUpload({ ...address, headers: {}, metadata: {} })
      const order = operation.swapped ? [2, 1] : [1, 2]
      const tags = new Map<number, string>()
      for (const partNumber of order) {
        const body = bodyOf(parts[partNumber - 1] ?? Buffer.alloc(0), { chunkBytes: 500_000 })
        const { etag } = await target.writePart({
          ...address,
          uploadId,
          partNumber,
          stated: [],
          body,
        })
        tags.set(partNumber, etag)
      }
      const listed = [1, 2].map((partNumber) => ({
        partNumber,
        etag: tags.get(partNumber) ?? '',
        checksums: [],
      }))
      await target.completeUpload({ ...address, uploadId, parts: listed, conditions: {} })
    })
  }

  async #copy(operation: Extract<Operation, { kind: 'copy' }>): Promise<void> {
    const source = this.#allowed(nameOf(operation.key))
    if (source.length > 1 || operation.key === operation.to) return
    const [bytes] = source
    try {
      await this.#write(operation.to, bytes, () =>
        this.#rig.target.copy({
          ...this.#address(operation.to),
          source: this.#address(operation.key),
          sourceConditions: {},
          conditions: {},
        }),
      )
      if (bytes === undefined) throw new Error('an object that does not exist was copied')
    } catch (error) {
      if (!isFailure(error, 'object-not-found') || bytes !== undefined) throw error
    }
  }

  async #get(
    keyIndex: number,
    range: { readonly from: number; readonly length: number } | undefined,
  ): Promise<void> {
    const key = nameOf(keyIndex)
    const allowed = this.#allowed(key)
    try {
      const first = range?.from ?? 0
      const answer = await this.#rig.get(
        key,
        range === undefined
          ? {}
          : {
              range: { kind: 'from-to', first, last: first + range.length - 1 },
            },
      )
      if (range === undefined) this.#narrow(key, allowed, answer)
      else if (
        !allowed.some((value) => same(value?.subarray(first, first + range.length), answer))
      ) {
        throw new Error(
          `${key}: a range of ${tell(answer)} is not of ${allowed.map(tell).join(' or ')}`,
        )
      }
    } catch (error) {
      const outside =
        range !== undefined &&
        allowed.some((value) => value !== undefined && range.from >= value.length)
      if (outside && String(error).includes('unsatisfiable')) return
      if (!isFailure(error, ...EXPLAINED)) throw error
    }
  }

  /** What was read is what the key holds from now on. */
  #narrow(key: string, allowed: readonly (Buffer | undefined)[], answer: Buffer | undefined): void {
    if (!allowed.some((value) => same(value, answer))) {
      throw new Error(`${key}: read ${tell(answer)}, allowed ${allowed.map(tell).join(' or ')}`)
    }
    this.#model.set(key, [answer])
  }

  async #head(keyIndex: number): Promise<void> {
    const key = nameOf(keyIndex)
    const allowed = this.#allowed(key)
    const answer = await this.#rig.head(key)
    const found = answer.kind === 'found' ? answer.attributes.sizeBytes : undefined
    if (allowed.some((value) => value?.length === found)) return
    throw new Error(`${key}: HEAD says ${found} bytes, allowed ${allowed.map(tell).join(' or ')}`)
  }

  async #list(): Promise<void> {
    const { bucket, target } = this.#rig
    const page = await target.list({
      bucket,
      prefix: '',
      pageMax: 1000,
      signal: new AbortController().signal,
    })
    const listed = page.objects.map(({ key }) => key)
    const sorted = [...listed].sort(compareKeys)
    if (listed.join('|') !== sorted.join('|'))
      throw new Error(`the list is not in order: ${listed.join(', ')}`)
    for (const key of KEYS) {
      const allowed = this.#allowed(key)
      const there = listed.includes(key)
      if (allowed.some((value) => (value !== undefined) === there)) continue
      throw new Error(
        `${key}: ${there ? 'listed' : 'not listed'}, allowed ${allowed.map(tell).join(' or ')}`,
      )
    }
  }

  async #crashIn(
    operation: Extract<Operation, { kind: 'crash-in-put' | 'crash-in-delete' | 'crash-in-get' }>,
  ): Promise<void> {
    const key = nameOf(operation.key)
    const before = this.#allowed(key)
    const start = (): Promise<unknown> => {
      if (operation.kind === 'crash-in-put') return this.#rig.put(key, content(operation))
      if (operation.kind === 'crash-in-delete') return this.#rig.remove(key)
      return this.#rig.get(key)
    }
    const acknowledged = await this.#rig.crashDuring(start, operation.turns)
    if (operation.kind === 'crash-in-get') return
    const after = operation.kind === 'crash-in-put' ? content(operation) : undefined
    this.#model.set(key, acknowledged ? [after] : [...before, after])
  }
}

function nameOf(key: number): string {
  return KEYS[key] ?? 'a'
}

function content(operation: { readonly size: number; readonly seed: number }): Buffer {
  return pattern(SIZES[operation.size] ?? 0, operation.seed)
}

function same(a: Buffer | undefined, b: Buffer | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.equals(b)
}

function tell(bytes: Buffer | undefined): string {
  return bytes === undefined
    ? 'nothing'
    : `${bytes.length} bytes ${bytes.subarray(0, 4).toString('hex')}`
}
