import { type Mutation, object, store } from './mutation.ts'

const FAULTS = 'services/target/src/store/faults.test.ts'
const MARKS = 'services/target/src/objects/rules-7.test.ts'
const CRASHES = 'services/target/src/store/crash.test.ts'
const RULES = 'services/target/src/objects/rules-6-17.test.ts'
const PUBLICATION = 'services/target/src/objects/publication.test.ts'
const WORK_FILES = 'services/target/src/store/work-file.test.ts'
const RELEASE = 'services/target/src/objects/rules-release.test.ts'

export const RULES_7_TO_17: readonly Mutation[] = [
  {
    rule: '7',
    what: 'partial entries outlive a power loss',
    tests: [MARKS],
    edits: [store('recovery.ts', 'return header.partial || (', 'return (')],
  },
  {
    rule: '7',
    what: 'what is behind the mark outlives a power loss',
    tests: [FAULTS],
    edits: [
      store(
        'recovery.ts',
        '(!header.synced && header.sequence >= drive.state.syncedBelow)',
        'header.sequence < 0',
      ),
    ],
  },
  {
    rule: '7',
    what: 'older entries are believed after a power loss',
    tests: [FAULTS],
    edits: [
      store(
        'record-index.ts',
        'if (header.validSequence >= this.#options.suspectBelow(header.mountpath)) return record',
        'return record',
      ),
    ],
  },
  {
    rule: '7',
    what: 'the mark passes what is being committed',
    tests: [MARKS],
    edits: [
      store(
        'sync-mark.ts',
        'firstInFlight(drive) ?? context.sequence.next',
        'context.sequence.next',
      ),
    ],
  },
  {
    rule: '7',
    what: 'the mark is written without a sync',
    tests: [MARKS],
    edits: [store('sync-mark.ts', '  await syncFileSystem(drive.mountpath.fd)\n', '')],
  },
  {
    rule: '7',
    what: 'a power loss is not told from a process crash',
    tests: [CRASHES, FAULTS],
    edits: [store('recovery.ts', '  if (!drive.uncleanBoot) return false\n', '')],
  },
  {
    rule: '15',
    what: 'mutations of one key run at once',
    tests: [RULES],
    edits: [
      object(
        'commit-at-backend.ts',
        'const release = await context.locks.acquire(keyId, address.signal)',
        'const release = (): void => undefined',
      ),
    ],
  },
  {
    rule: '15',
    what: 'a body waits for its turn',
    tests: [RULES],
    edits: [
      object(
        'streamed-upload.ts',
        'if (this.#lengthBytes !== undefined && this.#lengthBytes > EARLY_START_BYTES) {',
        'if (this.#lengthBytes === -1) {',
      ),
    ],
  },
  {
    rule: '15',
    what: 'an overlapped write asks nothing',
    tests: [RULES],
    edits: [object('commit-at-backend.ts', 'if (!ticket.overlapped()) return pin', 'return pin')],
  },
  {
    rule: '15',
    what: 'a version that the backend did not keep is cached',
    tests: [RULES],
    edits: [
      object(
        'commit-at-backend.ts',
        'return matchesPin(pin, current.validators ?? {}) ? pin : undefined',
        'return pin',
      ),
    ],
  },
  {
    rule: '15',
    what: 'a version that could not be checked is cached',
    tests: [RULES],
    edits: [
      object(
        'commit-at-backend.ts',
        'if (current === undefined) return undefined',
        'if (current === undefined) return pin',
      ),
    ],
  },
  {
    rule: '16',
    what: 'a condition that cannot be decided is dropped',
    tests: [RULES],
    edits: [
      {
        file: 'backends/memory/src/judge.ts',
        find: '  if (place.capabilities.conditionalWrite) return\n',
        replace: '  if (place !== undefined) return\n',
      },
    ],
  },
  {
    rule: '16',
    what: 'a node’s id is not in its upload ids',
    tests: [RULES],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: text of the source, not a template
    edits: [object('multipart-native.ts', '`${context.nodeId}.$', '`x.$')],
  },
  {
    rule: '16',
    what: 'parts for a backend are kept here',
    tests: ['services/target/src/objects/multipart.test.ts'],
    edits: [
      object(
        'target.ts',
        '      : createBackendUpload(this.#context, request)',
        '      : createNativeUpload(this.#context, request)',
      ),
    ],
  },
  {
    rule: '17',
    what: 'large files are unlinked in place',
    tests: [RULES],
    edits: [
      store(
        'remove.ts',
        'if (record.attributes.sizeBytes > UNLINK_BYTES_MAX) {',
        'if (record.attributes.sizeBytes < 0) {',
      ),
    ],
  },
  {
    rule: '17',
    what: 'a disk may hold any number of threads',
    tests: ['services/target/src/os/disk-gate.test.ts'],
    edits: [
      {
        file: 'services/target/src/os/disk-gate.ts',
        find: 'if (this.#running < this.#operationsMax) start()',
        replace: 'if (this.#running >= 0) start()',
      },
    ],
  },
  {
    rule: '17',
    what: 'any number of syncs may hang',
    tests: ['services/target/src/os'],
    edits: [
      {
        file: 'services/target/src/os/sync-file-system.ts',
        find: 'if (running >= SYNCS_MAX) {',
        replace: 'if (running < 0) {',
      },
    ],
  },
  {
    rule: 'held',
    what: 'a client that is gone leaves a rejection',
    tests: [RELEASE],
    edits: [
      object(
        'abortable.ts',
        '        reject(error)\n',
        '        if (signal.aborted) throw error\n        reject(error)\n',
      ),
    ],
  },
  {
    rule: 'held',
    what: 'a fill keeps its work file',
    tests: [RELEASE],
    edits: [
      object(
        'fill.ts',
        '    this.#work.discard()\n    this.#parts.token.end()',
        '    this.#parts.token.end()',
      ),
    ],
  },
  {
    rule: 'held',
    what: 'a published partial file keeps its first work file open',
    tests: [RELEASE],
    edits: [object('fill.ts', 'if (this.#work !== spent) spent.discard()', '')],
  },
  {
    rule: 'held',
    what: 'an opening without readers goes on',
    tests: [RELEASE],
    edits: [object('fill-table.ts', 'opened.fill.endIfUnused()', 'opened.fill.cachedBytes')],
  },
  {
    rule: 'held',
    what: 'a condition opens a partial entry',
    tests: [RELEASE],
    edits: [
      object(
        'read.ts',
        "  if (judged.kind === 'answer') return judged.answer\n  const running",
        '  const running',
      ),
    ],
  },
  {
    rule: 'held',
    what: 'an upload waits for a client that is gone',
    tests: [RELEASE],
    edits: [object('write.ts', '    await upload.abandon()\n', '')],
  },
  {
    rule: 'held',
    what: 'a fill has any number of connections',
    tests: [RELEASE],
    edits: [
      object('fetching.ts', 'this.#running >= FETCHES_MAX', 'this.#fetches.size >= FETCHES_MAX'),
    ],
  },
  {
    rule: 'held',
    what: 'a key that is overwritten all the time cannot be read',
    tests: [RELEASE],
    edits: [
      object(
        'read.ts',
        '  return readPast(context, request)\n}\n\n/** Past',
        "  throw new Failure('unavailable', 'it changes too fast')\n}\n\n/** Past",
      ),
    ],
  },
  {
    rule: 'held',
    what: 'who reads what is about to be in the cache does not find it there',
    tests: [PUBLICATION],
    edits: [
      object(
        'read.ts',
        "if (await context.fills.publication(keyIdOf(bucket, key), request.signal)) return 'again'\n",
        '',
      ),
    ],
  },
  {
    rule: 'held',
    what: 'a work file gives back what it was never granted',
    tests: [WORK_FILES],
    edits: [
      store('work-file.ts', '      this.#reservedBytes += step\n', ''),
      store(
        'work-file.ts',
        '    this.#askedBytes += step\n',
        '    this.#askedBytes += step\n    this.#reservedBytes += step\n',
      ),
    ],
  },
  {
    rule: 'held',
    what: 'the first blocks give back the room of all others',
    tests: [RELEASE],
    edits: [object('fill.ts', 'if (recorded) await this.#reserveRest()', '')],
  },
  {
    rule: 'held',
    what: 'a disk that takes no work file refuses reads',
    tests: [RELEASE],
    edits: [object('read.ts', "'slow-down', 'disk-error')", "'slow-down')")],
  },
  {
    rule: 'held',
    what: 'a disk whose journal fails refuses HEAD',
    tests: [RELEASE],
    edits: [
      object(
        'head.ts',
        "    if (isFailure(error, 'out-of-space', 'disk-error')) return headPast(context, request)\n",
        '',
      ),
    ],
  },
]
