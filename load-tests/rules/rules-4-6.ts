import { type Mutation, object } from './mutation.ts'

const RULES = 'services/target/src/objects/rules-1-5.test.ts'
const LATER = 'services/target/src/objects/rules-6-17.test.ts'
const VERSION = 'shared/model/src/version.ts'
const ROW = 'services/target/src/objects/row-digest.test.ts'
const PUBLICATION = 'services/target/src/objects/publication.test.ts'
const GATHERED = 'services/target/src/objects/gathered.test.ts'
const RACES = 'services/target/src/objects/gathered-races.test.ts'

export const RULES_4_TO_6: readonly Mutation[] = [
  {
    rule: '4',
    what: 'the tail is not withheld',
    tests: [RULES],
    edits: [
      object(
        'gated-upload.ts',
        'return Math.min(this.#receivedBytes, this.lengthBytes - WITHHELD_TAIL_BYTES)',
        'return this.#receivedBytes',
      ),
    ],
  },
  {
    rule: '4',
    what: 'the checks of the client are not asked for',
    tests: [RULES],
    edits: [
      {
        file: 'services/target/src/bodies/receive.ts',
        find: 'verdict: body.judge(digests)',
        replace: 'verdict: { checksums: [] }',
      },
    ],
  },
  {
    rule: '4',
    what: 'a body that broke off is not given up at the backend',
    tests: [RULES],
    edits: [
      object('streamed-upload.ts', '      this.#gate?.fail(error)\n', '      this.#gate?.open()\n'),
    ],
  },
  {
    rule: '5',
    what: 'an answer counts that a later question has contradicted',
    tests: ['services/target/src/objects/rules-5.test.ts'],
    edits: [object('generations.ts', 'return !samePin(heard.pin, latest.pin)', 'return false')],
  },
  {
    rule: '5',
    what: 'an event leaves alone what is under way',
    tests: ['services/target/src/objects/notice-change.test.ts'],
    edits: [object('notice-change.ts', '  raiseKey(context, keyId)\n  if', '  if')],
  },
  {
    rule: '5',
    what: 'an event does not wait for a write of our own',
    tests: ['services/target/src/objects/notice-change.test.ts'],
    edits: [
      object(
        'notice-change.ts',
        'const release = await context.locks.acquire(keyId, signal)',
        'const release = (): void => signal.throwIfAborted()',
      ),
    ],
  },
  {
    rule: '5',
    what: 'late fills are published',
    tests: [RULES],
    edits: [object('publish-current.ts', '    if (!token.isCurrent()) return undefined\n', '')],
  },
  {
    rule: '5',
    what: 'small objects that are late are published',
    tests: [GATHERED, RACES],
    edits: [
      object('publish-current.ts', '    if (!token.isCurrent()) return undefined\n', ''),
      object('gathered.ts', '    if (!whole.token.isCurrent()) return undefined\n', ''),
    ],
  },
  {
    rule: '5',
    what: 'bytes of a small object are not compared with what the store states',
    tests: [GATHERED],
    edits: [
      object('gathered.ts', 'if (stated !== undefined) checkDigest(', 'if (false) checkDigest('),
    ],
  },
  {
    rule: '5',
    what: 'blocks of late fills are published',
    tests: [RULES],
    edits: [
      object(
        'fill.ts',
        'if (!token.isCurrent() || this.#isFinishing) return',
        'if (this.#isFinishing) return',
      ),
      object(
        'fill.ts',
        'if (!this.#isSparse() || !this.#parts.token.isCurrent()) return',
        'if (!this.#isSparse()) return',
      ),
    ],
  },
  {
    rule: '5',
    what: 'late fills are joined',
    tests: [RULES],
    edits: [
      object('fill.ts', ' && !this.#ended && this.#parts.token.isCurrent()', ' && !this.#ended'),
      object(
        'fill-table.ts',
        '  forget(keyId: string): void {\n    this.#fills.delete(keyId)\n',
        '  forget(keyId: string): void {\n',
      ),
    ],
  },
  {
    rule: '5',
    what: 'late openings are joined',
    tests: [RULES],
    edits: [
      object(
        'fill-table.ts',
        '    this.#fills.delete(keyId)\n    this.#openings.delete(keyId)\n',
        '    this.#fills.delete(keyId)\n',
      ),
    ],
  },
  {
    rule: '5',
    what: 'what was named before a write is opened after it',
    tests: [RULES],
    edits: [
      object(
        'open-fill.ts',
        '  if (known?.token.isCurrent() === false) throw changedMeanwhile(key)\n',
        '',
      ),
    ],
  },
  {
    rule: '5',
    what: 'what was asked before a write is believed after it',
    tests: [RULES],
    edits: [
      object('ask-backend.ts', "  if (!token.isCurrent()) return { kind: 'again' }\n", ''),
      object('ask-backend.ts', '    if (!found.token.isCurrent()) return false\n', ''),
      object('read.ts', "  if (!token.isCurrent()) return 'again'\n  switch", '  switch'),
    ],
  },
  {
    rule: '6',
    what: 'the version id "null" pins',
    tests: [LATER],
    edits: [{ file: VERSION, find: " && versionId !== 'null'", replace: '' }],
  },
  {
    rule: '6',
    what: 'a weak ETag pins',
    tests: [LATER],
    edits: [{ file: VERSION, find: "etag !== '' && etagWeak !== true", replace: "etag !== ''" }],
  },
  {
    rule: '6',
    what: 'a young date pins',
    tests: [LATER],
    edits: [{ file: VERSION, find: ' - LAST_MODIFIED_AGE_MIN_MS\n', replace: '\n' }],
  },
  {
    rule: '6',
    what: 'a generation does not pin',
    tests: [LATER],
    edits: [
      {
        file: VERSION,
        find: "if (generation !== undefined && generation !== '') return",
        replace: 'if (generation === null) return',
      },
    ],
  },
  {
    rule: '6',
    what: 'a fetch is not held to the version',
    tests: [LATER],
    edits: [
      object(
        'fetching.ts',
        '      pin: this.#host.pin,\n      signal: this.#abort.signal',
        '      signal: this.#abort.signal',
      ),
    ],
  },
  {
    rule: '6',
    what: 'the place of the answered bytes is not looked at',
    tests: [LATER],
    edits: [
      object(
        'fetching.ts',
        'if (result.range.offset !== start || result.sizeBytes !== sizeBytes) {',
        'if (result.sizeBytes !== sizeBytes) {',
      ),
    ],
  },
  {
    rule: '6',
    what: 'what has no pin is sparse',
    tests: [LATER],
    edits: [
      object(
        'fill-parts.ts',
        "pin.kind !== 'none' && attributes.sizeBytes",
        'attributes.sizeBytes',
      ),
    ],
  },
  {
    rule: '6',
    what: 'what has no pin is continued by another connection',
    tests: [LATER],
    edits: [
      object(
        'fetching.ts',
        "if (!isUnreachable(error) || pin.kind === 'none' ||",
        'if (!isUnreachable(error) ||',
      ),
    ],
  },
  {
    rule: '6',
    what: 'what has no pin comes by several connections',
    tests: ['services/target/src/objects/parallel.test.ts'],
    edits: [object('choose-pace.ts', "pin.kind === 'none' || ", '')],
  },
  {
    rule: '6',
    what: 'who reads the whole gets its end before it was verified',
    tests: ['services/target/src/objects/held-bytes.test.ts'],
    edits: [object('fill.ts', 'const checking = whole || this', 'const checking = this')],
  },
  {
    rule: '6',
    what: 'another version is not started anew',
    tests: [LATER],
    edits: [
      object(
        'read.ts',
        "      if (!isFailure(error, 'backend-changed')) throw error\n    }\n  }\n  // Overwritten",
        '      throw error\n    }\n  }\n  // Overwritten',
      ),
    ],
  },
  {
    rule: '6',
    what: 'an answer of S3 is believed to be what was asked for',
    tests: ['backends/s3/src/misbehaving-origin.test.ts'],
    edits: [
      {
        file: 'backends/transport/src/accept-answer.ts',
        find: '  if (!matchesPin(pin, validators)) return true\n',
        replace: '',
      },
    ],
  },
  {
    rule: '6',
    what: 'S3 may encode what it sends',
    tests: ['backends/s3/src/misbehaving-origin.test.ts'],
    edits: [
      {
        file: 'backends/s3/src/connection.ts',
        find: "'accept-encoding': 'identity'",
        replace: "'accept-encoding': 'gzip'",
      },
    ],
  },
  {
    rule: '6',
    what: 'an answer without a length is an empty object',
    tests: [LATER],
    edits: [
      object(
        'open-fill.ts',
        '  if (result.sizeBytes !== undefined) return\n',
        '  if (key !== undefined) return\n',
      ),
    ],
  },
  {
    rule: '6',
    what: 'a body that ends early is whole',
    tests: [LATER],
    edits: [
      object(
        'range-fetch.ts',
        'if (!this.#cut && this.position < this.end) {',
        'if (this.position < 0) {',
      ),
    ],
  },
  {
    rule: '6',
    what: 'past the cache a HEAD announces what a GET of another version sends',
    tests: [LATER],
    edits: [object('pass-through.ts', '  if (!same) throw changedMeanwhile(request.key)\n', '')],
  },
  {
    rule: '6',
    what: 'digests of wrong bytes prove them',
    tests: [ROW],
    edits: [object('row-digest.ts', 'digests.get(stated.algorithm) === stated.hex', 'true')],
  },
  {
    rule: '6',
    what: 'what was proven stays so when its connection breaks behind the end',
    tests: [ROW],
    edits: [object('row-digest.ts', '    this.#proven = false\n', '')],
  },
  {
    rule: '6',
    what: 'digests of a broken connection stand for what another brings',
    tests: [ROW, PUBLICATION],
    edits: [object('row-digest.ts', '    this.#digests = undefined\n', '')],
  },
  {
    rule: '6',
    what: 'digests that are known late prove what broke meanwhile',
    tests: [ROW],
    edits: [object('row-digest.ts', '        if (this.#digests !== ending) return\n', '')],
  },
]
