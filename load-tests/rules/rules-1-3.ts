import { type Mutation, object, store } from './mutation.ts'

const RULES = 'services/target/src/objects/rules-1-5.test.ts'
const ORDER = 'services/target/src/objects/rules-2.test.ts'
const FAULTS = 'services/target/src/store/faults.test.ts'
const CRASHES = 'services/target/src/store/crash.test.ts'

export const RULES_1_TO_3: readonly Mutation[] = [
  {
    rule: '1',
    what: 'all versions have the same stamp',
    tests: [RULES],
    edits: [store('commit.ts', 'counter: sequence }', 'counter: 1 }')],
  },
  {
    rule: '1',
    what: 'a mutation does not raise the key before it is applied',
    tests: [RULES],
    edits: [
      object(
        'commit-at-backend.ts',
        '    raiseKey(context, keyId)\n    await context.unsettled.mark',
        '    await context.unsettled.mark',
      ),
    ],
  },
  {
    rule: '1',
    what: 'a mutation does not raise the key after it was applied',
    tests: [RULES],
    edits: [
      object(
        'commit-at-backend.ts',
        '      raiseKey(context, keyId)\n      await mutation.install',
        '      await mutation.install',
      ),
    ],
  },
  {
    rule: '1',
    what: 'an evict does not raise the key',
    tests: [RULES],
    edits: [
      object(
        'delete.ts',
        '    raiseKey(context, keyIdOf(bucket, key))\n    return context.store.remove',
        '    return context.store.remove',
      ),
    ],
  },
  {
    rule: '1',
    what: 'a revalidation does not raise the key',
    tests: [RULES],
    edits: [
      object(
        'ask-backend.ts',
        '    raiseKey(context, keyIdOf(bucket, key))\n    found.token.renew()',
        '    found.token.renew()',
      ),
    ],
  },
  {
    rule: '2',
    what: 'data is not synced',
    tests: [ORDER],
    edits: [store('commit.ts', '    if (commit.options.sync) await work.sync()\n', '')],
  },
  {
    rule: '2',
    what: 'the journal is not synced',
    tests: [ORDER],
    edits: [
      store('commit.ts', 'drive.journal.append(entry, sync)', 'drive.journal.append(entry, false)'),
    ],
  },
  {
    rule: '2',
    what: 'the directory is not synced',
    tests: [ORDER],
    edits: [
      store(
        'commit.ts',
        '    if (sync) await context.directories.syncUp(drive.mountpath.root, record.location.path)\n',
        '',
      ),
    ],
  },
  {
    rule: '2',
    what: 'the file has its name before the journal has the record',
    tests: [ORDER, FAULTS],
    edits: [
      store(
        'commit.ts',
        '    const position = await drive.journal.append(entry, sync)\n',
        '    await renameInto(drive.mountpath.root, from, record.location.path)\n    const position = await drive.journal.append(entry, sync)\n',
      ),
      store(
        'commit.ts',
        "    if (from !== '') await renameInto(root, from, record.location.path)\n",
        '',
      ),
    ],
  },
  {
    rule: '2',
    what: 'a tombstone is not synced',
    tests: [ORDER],
    edits: [store('remove.ts', 'why, settle },\n    sync,', 'why, settle },\n    false,')],
  },
  {
    rule: '2',
    what: 'nothing is rolled forward',
    tests: [CRASHES],
    edits: [
      store(
        'recovery.ts',
        "if (put.from === '' || !isFileOf(root, put.from, header)) return false",
        'return false',
      ),
    ],
  },
  {
    rule: '2',
    what: 'a record without its file is taken for committed',
    tests: [CRASHES, FAULTS],
    edits: [
      store(
        'recovery.ts',
        'if (makeReady(candidate)) {',
        'if (makeReady(candidate) || candidate !== undefined) {',
      ),
    ],
  },
  {
    rule: '2',
    what: 'any file of the size passes for the one of the record',
    tests: [CRASHES, FAULTS],
    edits: [store('recovery.ts', ' && stat.ino === inode', '')],
  },
  {
    rule: '2',
    what: 'the index is not built again from the journals',
    tests: [FAULTS],
    edits: [
      store(
        'recover.ts',
        '      else replay.take(entry, drive)',
        '      else replay.lastSequence += 0',
      ),
    ],
  },
  {
    rule: '3',
    what: 'keys are not marked',
    tests: [RULES],
    edits: [
      object('commit-at-backend.ts', '    await context.unsettled.mark(bucket.id, key)\n', ''),
    ],
  },
  {
    rule: '3',
    what: 'the mark is not in the index',
    tests: [RULES],
    edits: [
      store(
        'remove.ts',
        "entry: 'keep', unsettled: sequence, applies",
        "entry: 'keep', unsettled: undefined, applies",
      ),
    ],
  },
  {
    rule: '3',
    what: 'the mark is not in the journal',
    tests: [CRASHES],
    edits: [store('remove.ts', "kind: 'unsettled', bucketId", "kind: 'settled', bucketId")],
  },
  {
    rule: '3',
    what: 'the mark does not go with what is installed',
    tests: [RULES],
    edits: [object('commit-at-backend.ts', 'install(result, !doubted)', 'install(result, false)')],
  },
  {
    rule: '3',
    what: 'a refusal leaves the mark',
    tests: [RULES],
    edits: [
      object(
        'commit-at-backend.ts',
        'if (!run.before && !isUndecided(error)) await',
        'if (run.before && !isUndecided(error)) await',
      ),
    ],
  },
  {
    rule: '3',
    what: 'a timeout takes the mark away',
    tests: [RULES],
    edits: [
      object(
        'commit-at-backend.ts',
        'if (!run.before && !isUndecided(error)) await',
        'if (!run.before) await',
      ),
    ],
  },
  {
    rule: '3',
    what: 'a later write takes an older doubt away',
    tests: [RULES],
    edits: [object('commit-at-backend.ts', 'install(result, !doubted)', 'install(result, true)')],
  },
  {
    rule: '3',
    what: 'a write that is not kept takes an older doubt away',
    tests: [RULES],
    edits: [
      object(
        'write.ts',
        "      sync: false,\n      settle,\n      why: 'stale',",
        "      sync: false,\n      settle: true,\n      why: 'stale',",
      ),
    ],
  },
  {
    rule: '3',
    what: 'a fresh entry of an unsettled key is served',
    tests: [RULES],
    edits: [object('read.ts', 'const current = !unsettled && request', 'const current = request')],
  },
  {
    rule: '3',
    what: 'HEAD believes a fresh entry of an unsettled key',
    tests: [RULES],
    edits: [object('head.ts', 'const current = !unsettled && request', 'const current = request')],
  },
  {
    rule: '3',
    what: 'the first answer settles',
    tests: [RULES, 'services/target/src/objects/write.test.ts'],
    edits: [object('unsettled.ts', '>= UNSETTLED_QUIET_MS', '>= 0')],
  },
  {
    rule: '3',
    what: 'a write that succeeds makes an older doubt last longer',
    tests: [RULES],
    edits: [object('unsettled.ts', 'else if (!decided) this', 'else this')],
  },
  {
    rule: '3',
    what: 'a failing disk hides the refusal',
    tests: [RULES],
    edits: [
      object(
        'commit-at-backend.ts',
        "context.observer.warn('a key stays unsettled', { key, error })",
        'throw error',
      ),
    ],
  },
  {
    rule: '3',
    what: 'times of marks that are gone are kept',
    tests: [RULES],
    edits: [
      object(
        'unsettled.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: text of the source, not a template
        '    if (!this.#store.isUnsettled(bucketId, key)) this.#restingSince.delete(`${bucketId}/${key}`)\n',
        '',
      ),
    ],
  },
]
