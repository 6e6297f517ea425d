import { dirname } from 'node:path'
import { describeBytes } from '@forebay/base/bytes'
import type { Settings } from '@forebay/config/schema'
import { type Finding, ok, problem, warning } from './finding.ts'
import type { DirectoryFacts, Machine } from './machine.ts'

/** Less free space than this is not worth a cache. */
const FREE_BYTES_MIN = 1024 ** 3

/** Less inodes than this fill up before the bytes do. */
const FREE_FILES_MIN = 10_000

/** File systems whose contents are gone when the machine stops. */
const VOLATILE: ReadonlySet<string> = new Set(['tmpfs', 'ramfs'])

/** File systems on other machines, or behind a program: slow to sync, and locks that may not hold. */
const REMOTE: ReadonlySet<string> = new Set(['nfs', 'cifs', 'smb2', 'fuse', 'ceph', '9p'])

/** One directory that a node writes to. */
interface Place {
  readonly name: string
  readonly path: string
  readonly holdsObjects: boolean
}

interface Seen {
  readonly place: Place
  readonly facts: DirectoryFacts
}

/** The data directory, the mountpaths and the index: are they there, writable, of the right sort, roomy? */
export async function checkDisks(
  machine: Machine,
  settings: Settings,
): Promise<readonly Finding[]> {
  const places: readonly Place[] = [
    { name: 'dataDir', path: settings.dataDir, holdsObjects: false },
    ...settings.mountpaths.map((path) => ({ name: 'mountpath', path, holdsObjects: true })),
    ...(settings.store.indexDir === undefined
      ? []
      : [{ name: 'store.indexDir', path: settings.store.indexDir, holdsObjects: false }]),
  ]
  const findings: Finding[] = []
  const seen: Seen[] = []
  for (const place of places) {
    const facts = await lookUpwards(machine, place.path)
    const fault = faultOf(place, facts)
    if (fault !== undefined) findings.push(fault)
    if (fault === undefined && facts !== undefined) {
      seen.push({ place, facts })
      findings.push(...judge({ place, facts }, settings))
    }
  }
  return [...findings, ...sharedDisks(seen)]
}

/** What is known of a directory, or of the one in which it would be made. */
async function lookUpwards(machine: Machine, path: string): Promise<DirectoryFacts | undefined> {
  for (let at = path; ; at = dirname(at)) {
    const facts = await machine.look(at)
    if (facts !== undefined || at === dirname(at)) return facts
  }
}

function faultOf({ name, path }: Place, facts: DirectoryFacts | undefined): Finding | undefined {
  if (facts === undefined || !facts.isDirectory) {
    return problem('disk', `${name} ${path} cannot be a directory`, 'name another one')
  }
  if (!facts.writable) {
    return problem(
      'disk',
      `${name} ${path} is not writable for this user`,
      `chown or chmod ${path}`,
    )
  }
  return undefined
}

function judge({ place, facts }: Seen, settings: Settings): readonly Finding[] {
  const { name, path } = place
  const { fileSystem, freeBytes, totalBytes, freeFiles } = facts
  const at = `${name} ${path}`
  // Virtual disks often say that they turn: a fact to show, not one to warn of.
  const kind = facts.rotational === true ? `${fileSystem}, rotational` : fileSystem
  const findings: Finding[] = [
    ok('disk', `${at}: ${kind}, ${describeBytes(freeBytes)} free of ${describeBytes(totalBytes)}`),
  ]
  if (VOLATILE.has(fileSystem)) {
    const what = 'memory: everything in it is gone after a restart, native buckets too'
    findings.push(
      warning('disk', `${at} is on ${fileSystem}, ${what}`, 'name a directory on a disk'),
    )
  }
  if (REMOTE.has(fileSystem)) {
    const what = `${at} is on ${fileSystem}, which is slower and may lose locks and syncs`
    findings.push(warning('disk', what, 'name a directory on a local disk'))
  }
  if (fileSystem === 'overlayfs') {
    const what = `${at} is on overlayfs, a layer of a container, and goes away with it`
    findings.push(warning('disk', what, 'mount a volume there'))
  }
  if (freeFiles < FREE_FILES_MIN && freeFiles > 0) {
    findings.push(warning('disk', `${at} has only ${freeFiles} inodes left`, 'remove small files'))
  }
  return [...findings, ...judgeSpace(place, facts, settings)]
}

function judgeSpace(
  { name, path, holdsObjects }: Place,
  { freeBytes, totalBytes }: DirectoryFacts,
  settings: Settings,
): readonly Finding[] {
  const at = `${name} ${path}`
  const room = `${at} has only ${describeBytes(freeBytes)} free`
  if (freeBytes === 0) return [problem('disk', `${at} is full`, 'free some space')]
  if (freeBytes < FREE_BYTES_MIN)
    return [warning('disk', room, 'free some space, or name a larger disk')]
  const { capacityBytes } = settings.space
  if (!holdsObjects || capacityBytes === undefined || capacityBytes <= totalBytes) return []
  const what = `space.capacity is ${describeBytes(capacityBytes)}, but ${at} has ${describeBytes(totalBytes)}`
  return [warning('disk', what, 'lower space.capacity; until then the disk is the limit')]
}

/** Mountpaths that share a disk give no more speed, and fill each other up. */
function sharedDisks(seen: readonly Seen[]): readonly Finding[] {
  const byDevice = new Map<number, string[]>()
  for (const { place, facts } of seen) {
    if (!place.holdsObjects) continue
    byDevice.set(facts.device, [...(byDevice.get(facts.device) ?? []), place.path])
  }
  return [...byDevice.values()]
    .filter((paths) => paths.length > 1)
    .map((paths) =>
      warning('disk', `mountpaths ${paths.join(', ')} share one file system`, 'name one per disk'),
    )
}
