import { NATIVE } from '../fault-node.ts'
import { Random } from '../random.ts'
import type { S3Client } from '../s3-client.ts'
import { Checks, type FaultRow, onNode } from './row.ts'

const WRITERS = 8

/** Names of one page of a listing. */
const PAGE = 500

/** Row 32: a bucket that is listed while its objects come and go in masses. */
export const massDelete: FaultRow = {
  number: 32,
  title: 'list during mass delete and writes: in order, no name twice, none torn, none lost',
  run: ({ seed, scale }) =>
    onNode({}, async ({ client }) => {
      const checks = new Checks()
      const count = scale === 'long' ? 100_000 : 2000
      await client.changeBucket(NATIVE, { action: 'create-bck', value: null })
      await client.changeBucket(NATIVE, {
        action: 'set-bprops',
        provider: 'ais',
        value: { forebay: { syncWrites: false } },
      })
      const names = Array.from({ length: count }, (_, index) => nameOf(index))
      await inTurns(names, (name) => put(client, name))
      const random = new Random(seed, 'mass')
      // The even ones stay, whatever happens; of the odd ones three quarters go, and new ones come.
      const goers = names.filter((_, index) => index % 2 === 1 && random.below(4) > 0)
      const comers = Array.from({ length: Math.floor(count / 10) }, (_, index) => `new/${index}`)
      const state = { over: false }
      const changing = Promise.all([
        inTurns(goers, async (name) => void (await client.delete(`${NATIVE}/${name}`))),
        inTurns(comers, (name) => put(client, name)),
      ]).finally(() => {
        state.over = true
      })
      const known = new Set([...names, ...comers])
      const stay = names.filter((_, index) => index % 2 === 0)
      let listings = 0
      do {
        checkListing(checks, await list(client, checks), { known, stay })
        listings += 1
      } while (!state.over)
      await changing
      const last = await list(client, checks)
      const gone = new Set(goers)
      const left = [...names.filter((name) => !gone.has(name)), ...comers].sort()
      checks.that(
        last.join() === left.join(),
        `${last.length} names at the end, not ${left.length}`,
      )
      const figures = `${count} names, ${goers.length} deleted, ${comers.length} written, ${listings} listings meanwhile`
      return { figures, violations: checks.violations.slice(0, 20) }
    }),
}

function nameOf(index: number): string {
  return `${index % 10}/object-${String(index).padStart(6, '0')}`
}

async function put(client: S3Client, name: string): Promise<void> {
  const answer = await client.put(`${NATIVE}/${name}`, Buffer.from(name))
  if (answer?.status !== 200) throw new Error(`${name}: ${answer?.status}`)
}

async function inTurns<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values()
  const work = async (): Promise<void> => {
    for (const item of queue) await act(item)
  }
  await Promise.all(Array.from({ length: WRITERS }, work))
}

type Listed = readonly string[]

/** All pages. Names of no directory need escapes in XML. */
async function list(client: S3Client, checks: Checks): Promise<Listed> {
  const names: string[] = []
  for (let token = ''; ; ) {
    const after = token === '' ? '' : `&continuation-token=${encodeURIComponent(token)}`
    const target = `/${NATIVE}?list-type=2&max-keys=${PAGE}${after}`
    const answer = await client.ask({ method: 'GET', target })
    const text = answer?.body.toString() ?? ''
    if (!checks.that(answer?.status === 200, `a page got ${answer?.status}`)) return names
    for (const [, entry = ''] of text.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
      const name = /<Key>([^<]*)<\/Key>/.exec(entry)?.[1] ?? ''
      names.push(name)
      const whole = entry.includes(`<Size>${name.length}</Size>`) && /<ETag>[^<]+</.test(entry)
      checks.that(whole, `a torn entry: ${entry}`)
    }
    token = /<NextContinuationToken>([^<]*)</.exec(text)?.[1] ?? ''
    if (token === '') return names
  }
}

function checkListing(
  checks: Checks,
  listed: Listed,
  { known, stay }: { readonly known: ReadonlySet<string>; readonly stay: readonly string[] },
): void {
  const unordered = listed.find((name, at) => at > 0 && name <= (listed[at - 1] ?? ''))
  checks.that(unordered === undefined, `${unordered} comes twice or out of order`)
  const stranger = listed.find((name) => !known.has(name))
  checks.that(stranger === undefined, `${stranger} was never written`)
  const seen = new Set(listed)
  const lost = stay.filter((name) => !seen.has(name))
  checks.that(lost.length === 0, `${lost.length} names are missing that nobody touched`)
}
