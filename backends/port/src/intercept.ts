import type {
  Backend,
  BackendBody,
  MutationOperations,
  ReadResult,
  TaggingOperations,
  UploadBody,
  VersioningOperations,
} from './backend.ts'

/** What a request to a backend is for, as limits, meters and logs name it. */
export type BackendOperation =
  | 'read'
  | 'head'
  | 'list'
  | 'head-bucket'
  | 'write'
  | 'copy'
  | 'delete'
  | 'create-upload'
  | 'write-part'
  | 'copy-part'
  | 'complete-upload'
  | 'abort-upload'
  | 'list-parts'
  | 'list-uploads'
  | 'get-tags'
  | 'put-tags'
  | 'get-versioning'
  | 'list-versions'

/** One request on its way through a wrapper. */
export interface Step {
  readonly operation: BackendOperation
  readonly signal: AbortSignal
  readonly upload: UploadBody | undefined
}

/** Does the request with what a wrapper put in the place of the step's own. */
export type Run<T> = (changed: {
  readonly signal: AbortSignal
  readonly upload: UploadBody | undefined
}) => Promise<T>

/** What a wrapper does around requests. */
export interface Interceptor {
  /** Around every request but reads, which end with their body. */
  run<T>(step: Step, run: Run<T>): Promise<T>
  /** Around a read; a body that it hands on may be wrapped. */
  read(step: Step, run: Run<ReadResult>): Promise<ReadResult>
}

/** The backend with `interceptor` around each of its requests. */
export function intercept(backend: Backend, interceptor: Interceptor): Backend {
  const plain = plainRunner(interceptor)
  const { mutations, tagging, versioning } = backend
  return {
    name: backend.name,
    capabilities: backend.capabilities,
    mutations: mutations === undefined ? undefined : interceptMutations(mutations, interceptor),
    tagging: tagging === undefined ? undefined : interceptTagging(tagging, interceptor),
    versioning: versioning === undefined ? undefined : interceptVersioning(versioning, interceptor),
    read: (options) =>
      interceptor.read(
        { operation: 'read', signal: options.signal, upload: undefined },
        ({ signal }) => backend.read(signal === options.signal ? options : { ...options, signal }),
      ),
    head: plain('head', (options) => backend.head(options)),
    list: plain('list', (options) => backend.list(options)),
    headBucket: plain('head-bucket', (options) => backend.headBucket(options)),
    close: () => backend.close(),
  }
}

function interceptMutations(
  mutations: MutationOperations,
  interceptor: Interceptor,
): MutationOperations {
  const plain = plainRunner(interceptor)
  return {
    write: (options, body) =>
      interceptor.run(
        { operation: 'write', signal: options.signal, upload: body },
        ({ signal, upload = body }) => mutations.write({ ...options, signal }, upload),
      ),
    writePart: (options, body) =>
      interceptor.run(
        { operation: 'write-part', signal: options.signal, upload: body },
        ({ signal, upload = body }) => mutations.writePart({ ...options, signal }, upload),
      ),
    copy: plain('copy', (options) => mutations.copy(options)),
    delete: plain('delete', (options) => mutations.delete(options)),
    createUpload: plain('create-upload', (options) => mutations.createUpload(options)),
    copyPart: plain('copy-part', (options) => mutations.copyPart(options)),
    completeUpload: plain('complete-upload', (options) => mutations.completeUpload(options)),
    abortUpload: plain('abort-upload', (options) => mutations.abortUpload(options)),
    listParts: plain('list-parts', (options) => mutations.listParts(options)),
    listUploads: plain('list-uploads', (options) => mutations.listUploads(options)),
  }
}

function interceptTagging(tagging: TaggingOperations, interceptor: Interceptor): TaggingOperations {
  const plain = plainRunner(interceptor)
  return {
    get: plain('get-tags', (options) => tagging.get(options)),
    put: plain('put-tags', (options) => tagging.put(options)),
    getOfBucket: plain('get-tags', (options) => tagging.getOfBucket(options)),
    putOfBucket: plain('put-tags', (options) => tagging.putOfBucket(options)),
  }
}

function interceptVersioning(
  versioning: VersioningOperations,
  interceptor: Interceptor,
): VersioningOperations {
  const plain = plainRunner(interceptor)
  return {
    status: plain('get-versioning', (options) => versioning.status(options)),
    list: plain('list-versions', (options) => versioning.list(options)),
  }
}

function plainRunner(interceptor: Interceptor) {
  return <Options extends { readonly signal: AbortSignal }, T>(
    operation: BackendOperation,
    act: (options: Options) => Promise<T>,
  ) =>
    (options: Options): Promise<T> =>
      interceptor.run({ operation, signal: options.signal, upload: undefined }, ({ signal }) =>
        act({ ...options, signal }),
      )
}

/** What a wrapper wants to know of a body. */
export interface BodyWatch {
  /** Before a chunk is handed on; the wait holds the body back. */
  onChunk?(bytes: number): void | Promise<void>
  /** The consumer has taken the chunk. */
  onTaken?(): void
  /** The consumer began to pump. */
  onPump?(): void
  /** Once, when the body ended: `error` is absent after its last byte. */
  onEnd(error?: unknown): void
}

/**
 * The result with its body watched; any other answer as it is. A discarded body ends without an error.
 * Of several watches the one that came first, which is nearest to the store, sees chunks and the end
 * first.
 */
export function watchResult(result: ReadResult, watch: BodyWatch): ReadResult {
  if (result.kind !== 'found') return result
  const body = watchBody(result.body, watch)
  return body === result.body ? result : { ...result, body }
}

/** The same body, watched; see `watchResult`. */
export function watchBody(body: BackendBody, watch: BodyWatch): BackendBody {
  const watched = body instanceof WatchedBody ? body : new WatchedBody(body)
  watched.add(watch)
  return watched
}

type Write = Parameters<BackendBody['pump']>[0]

/** A body with all that watch it: each wrapper adds itself, so that a chunk passes one pump, not one each. */
class WatchedBody implements BackendBody {
  readonly #body: BackendBody
  /** The innermost first. */
  readonly #watches: BodyWatch[] = []
  #ended = false

  constructor(body: BackendBody) {
    this.#body = body
  }

  get lengthBytes(): number | undefined {
    return this.#body.lengthBytes
  }

  add(watch: BodyWatch): void {
    this.#watches.push(watch)
  }

  async pump(write: Write): Promise<void> {
    for (const watch of this.#watches) watch.onPump?.()
    try {
      await this.#body.pump((chunk) => this.#hand(chunk, write, 0))
    } catch (error) {
      this.#end(error)
      throw error
    }
    this.#end()
  }

  discard(): void {
    this.#body.discard()
    this.#end()
  }

  /** Hands a chunk on when the watches from `first` on let it. */
  #hand(chunk: Buffer, write: Write, first: number): void | Promise<void> {
    for (let at = first; at < this.#watches.length; at++) {
      const ready = this.#watches[at]?.onChunk?.(chunk.length)
      if (ready !== undefined) return ready.then(() => this.#hand(chunk, write, at + 1))
    }
    const written = write(chunk)
    if (written !== undefined) return written.then(() => this.#taken())
    this.#taken()
    return undefined
  }

  #taken(): void {
    for (let at = this.#watches.length - 1; at >= 0; at--) this.#watches[at]?.onTaken?.()
  }

  #end(error?: unknown): void {
    if (this.#ended) return
    this.#ended = true
    for (const watch of this.#watches) watch.onEnd(error)
  }
}
