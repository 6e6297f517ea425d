/**
 * What verifying a signature adds: GETs of 4 KiB to a Forebay with users, each request signed and
 * unlike every other, against the same GETs unsigned to a Forebay in open mode.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BenchContext } from './bench-context.ts'
import type { Figure } from './cold.ts'
import {
  BUCKET,
  type Contender,
  createBucket,
  fill,
  startGuardedForebay,
  startOpenForebay,
} from './contenders.ts'
import { type CpuProfile, microsecondsWithin } from './cpu-profile.ts'
import { measureLoad, runLoad } from './load.ts'
import { renderHead, targetsOf, writeHeads } from './requests.ts'
import { median, minimum } from './statistics.ts'

const OBJECTS = { folder: '4k', sizeBytes: 4096, count: 1000 }
const CONNECTIONS = 16

/** Most that a signature may add to a request, microseconds. */
export const SIGNATURE_BAR_US = 8

export type SignatureOptions = {
  readonly rounds: number
  /** Requests over all rounds, for each of the two. */
  readonly requests: number
}

export type SignatureResult = {
  readonly requests: number
  readonly openUs: readonly number[]
  readonly signedUs: readonly number[]
  readonly addedUsOfMinima: number
  readonly addedUsOfMedians: number
  /** Time within the authentication of a request, by a CPU profile of the server. */
  readonly profiledUs: number
}

export async function measureSignature(
  context: BenchContext,
  options: SignatureOptions,
): Promise<SignatureResult> {
  const open = await startOpenForebay(context)
  const guarded = await startGuardedForebay(context)
  for (const contender of [open, guarded]) {
    await createBucket(contender, BUCKET)
    await fill(context, contender, OBJECTS)
  }
  const perRound = Math.ceil(options.requests / options.rounds)
  const costs = new Map<Contender, number[]>([
    [open, []],
    [guarded, []],
  ])
  for (let round = 0; round <= options.rounds; round += 1) {
    context.say(`signatures: round ${round} of ${options.rounds}`)
    for (const [contender, costsUs] of costs) {
      const measured = await measureLoad(contender.server, {
        client: context.client,
        port: contender.server.port,
        requests: await writeRound(context, contender, { round, count: perRound }),
        connections: CONNECTIONS,
        count: perRound,
        expectBytes: OBJECTS.sizeBytes,
        signal: context.signal,
      })
      if (round > 0) costsUs.push((measured.serverCpuSeconds / measured.operations) * 1e6)
    }
  }
  const openUs = costs.get(open) ?? []
  const signedUs = costs.get(guarded) ?? []
  return {
    requests: perRound * options.rounds,
    openUs,
    signedUs,
    addedUsOfMinima: minimum(signedUs) - minimum(openUs),
    addedUsOfMedians: median(signedUs) - median(openUs),
    profiledUs: await profileVerification(context, perRound * options.rounds),
  }
}

/** Everything between the head of a request and the user who made it. */
const AUTHENTICATION = {
  name: 'authenticate',
  file: '/services/gateway/src/authentication/authenticator.ts',
} as const

/** Microseconds of a request that its authentication takes, over `count` requests. */
async function profileVerification(context: BenchContext, count: number): Promise<number> {
  const folder = join(context.folder, 'profile')
  const name = 'forebay-profiled'
  const env = { NODE_OPTIONS: `--cpu-prof --cpu-prof-interval=100 --cpu-prof-dir=${folder}` }
  const contender = await startGuardedForebay(context, { name, env })
  await createBucket(contender, BUCKET)
  await fill(context, contender, OBJECTS)
  context.say('signatures: profile')
  const { operations } = await runLoad({
    client: context.client,
    port: contender.server.port,
    requests: await writeRound(context, contender, { round: 0, count }),
    connections: CONNECTIONS,
    count,
    expectBytes: OBJECTS.sizeBytes,
    signal: context.signal,
  })
  await contender.server.stop()
  const profile = await largestProfile(folder)
  // What filled the bucket was signed too.
  return microsecondsWithin(profile, AUTHENTICATION) / (operations + OBJECTS.count)
}

/** That of the main thread: every thread writes one. */
async function largestProfile(folder: string): Promise<CpuProfile> {
  let largest: CpuProfile | undefined
  for (const name of await readdir(folder)) {
    const profile: CpuProfile = JSON.parse(await readFile(join(folder, name), 'utf8'))
    if (profile.nodes.length > (largest?.nodes.length ?? 0)) largest = profile
  }
  if (largest === undefined) throw new Error('the server wrote no profile')
  return largest
}

export function signatureFigures(result: SignatureResult): readonly Figure[] {
  const us = (what: string, value: number): Figure => ({ what, value, unit: 'us' })
  return [
    { what: 'requests of each kind', value: result.requests, unit: 'requests' },
    us('unsigned GET of 4 KiB, CPU, minimum', minimum(result.openUs)),
    us('unsigned GET of 4 KiB, CPU, median', median(result.openUs)),
    us('signed GET of 4 KiB, CPU, minimum', minimum(result.signedUs)),
    us('signed GET of 4 KiB, CPU, median', median(result.signedUs)),
    us('a signature adds, difference of medians', result.addedUsOfMedians),
    {
      ...us('a signature adds, difference of minima', result.addedUsOfMinima),
      bar: `<= ${SIGNATURE_BAR_US}`,
      met: result.addedUsOfMinima <= SIGNATURE_BAR_US,
    },
    {
      ...us('authenticating a request, by CPU profile', result.profiledUs),
      bar: `<= ${SIGNATURE_BAR_US}`,
      met: result.profiledUs <= SIGNATURE_BAR_US,
    },
  ]
}

/**
 * Requests of one round. Each key is asked for again under another time of signing, within the 15
 * minutes that S3 allows, so that no two requests of a run are alike and no verdict can be kept.
 */
async function writeRound(
  context: BenchContext,
  contender: Contender,
  part: { readonly round: number; readonly count: number },
): Promise<string> {
  const path = join(context.folder, `${contender.name}-signature.requests`)
  const targets = targetsOf(BUCKET, OBJECTS.folder, OBJECTS.count)
  const host = `127.0.0.1:${contender.server.port}`
  const now = Date.now()
  const passes = Math.ceil(part.count / targets.length)
  const heads = Array.from({ length: part.count }, (_, index) => {
    const pass = part.round * passes + Math.floor(index / targets.length)
    const date = new Date(now - (pass % MOMENTS) * 1000)
    const target = targets[index % targets.length] ?? ''
    return renderHead({ method: 'GET', target }, { host, credentials: contender.credentials, date })
  })
  await writeHeads(path, heads)
  return path
}

/** Seconds back from now at which requests are signed: well within the allowed skew. */
const MOMENTS = 600
