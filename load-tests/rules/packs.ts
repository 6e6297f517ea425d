import { type Mutation, store } from './mutation.ts'

const PACKS = 'services/target/src/store/packs.test.ts'
const RACES = 'services/target/src/store/packs-races.test.ts'
const DOUBT = 'services/target/src/objects/pack-doubt.test.ts'

/** What keeps small objects that share a file apart (ADR 0042). */
export const PACK_RULES: readonly Mutation[] = [
  {
    rule: 'packs',
    what: 'a place becomes a hole while it is read',
    tests: [PACKS],
    edits: [store('packs.ts', 'else if (!this.#leaveToReaders(pack, place)) await', 'else await')],
  },
  {
    rule: 'packs',
    what: 'readers from before a mountpath left are forgotten when it returns',
    tests: [RACES],
    edits: [store('open-drive.ts', 'late.readers.get(number) ?? new', 'new')],
  },
  {
    rule: 'packs',
    what: 'a sweep takes what is read for nobody’s',
    tests: [RACES],
    edits: [store('packs.ts', '      kept.add(place)\n', '')],
  },
  {
    rule: 'packs',
    what: 'a sweep takes what records have for nobody’s',
    tests: [PACKS],
    edits: [store('sweep-packs.ts', '      known.add(place)\n', '')],
  },
  {
    rule: 'packs',
    what: 'a place becomes a hole before the tombstone is written',
    tests: [PACKS],
    edits: [
      store(
        'remove.ts',
        "  await failpoint('remove:begun')\n",
        "  await failpoint('remove:begun')\n  await drive.packs.free(path)\n",
      ),
    ],
  },
  {
    rule: 'packs',
    what: 'a put stands after a crash whatever its place has',
    tests: [PACKS],
    edits: [store('recovery.ts', ' && isInPack(join(root, place.file), place, put)', '')],
  },
  {
    rule: 'packs',
    what: 'who looked up what was given up since opens it',
    tests: [PACKS],
    edits: [
      store(
        'local-store.ts',
        'return current?.location.path === location.path ?',
        'return current ?',
      ),
    ],
  },
  {
    rule: 'packs',
    what: 'what a power loss made doubtful is served unseen',
    tests: [DOUBT],
    edits: [
      store('local-store.ts', 'stamp.counter >= drive.state.suspectBelow', 'stamp.counter >= 0'),
    ],
  },
  {
    rule: 'packs',
    what: 'an overwritten place becomes a hole before its record goes',
    tests: [RACES],
    edits: [store('commit.ts', 'const isHeld = sync || (', 'const isHeld = sync && (')],
  },
]
