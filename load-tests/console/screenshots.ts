/**
 * Takes a picture of every page of the console in both colour schemes, into `docs/images`, and
 * measures how soon a browser that was never there paints its first page.
 *
 *   node load-tests/console/screenshots.ts          all of it
 *   node load-tests/console/screenshots.ts jobs     pictures of these pages alone, without charts to wait for
 */
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { ROOT } from '../testkit/tool-install.ts'
import { launchBrowser, openPage } from './browser.ts'
import { openWorld, send, startJob } from './console-world.ts'

const FOLDER = join(ROOT, 'docs/images')

/** Long enough for lines on the charts, ms. */
const TRAFFIC_MS = 40_000

/** Visits of new profiles that the first paint is measured by. */
const VISITS = 15

const PAGES = [
  { name: 'overview', hash: '#/overview', shows: 'GetObject' },
  { name: 'buckets', hash: '#/buckets', shows: 'aws://photos' },
  { name: 'objects', hash: '#/buckets/aws/photos?prefix=2026-11-21%2F', shows: 'fresh for' },
  { name: 'jobs', hash: '#/jobs', shows: 'prefetch aws://photos' },
  { name: 'space', hash: '#/space', shows: 'Eviction begins' },
  { name: 'origins', hash: '#/origins', shows: 'answers' },
  { name: 'settings', hash: '#/settings', shows: 'space.highWatermark' },
] as const

async function main(names: readonly string[]): Promise<void> {
  const world = await openWorld()
  const browser = await launchBrowser()
  const stop = new AbortController()
  const traffic = makeTraffic(world.node.url, stop.signal)
  try {
    await startJobs(world.node.url)
    if (names.length === 0) await measureFirstPaint(browser, world.node.url)
    for (const colorScheme of ['light', 'dark'] as const) {
      await takePictures(browser, world.node.url, { colorScheme, names })
    }
  } finally {
    stop.abort()
    await traffic
    await browser.close()
    await world.close()
  }
}

/** Reads that come and go, so that the charts have something to show. */
async function makeTraffic(url: string, signal: AbortSignal): Promise<void> {
  for (let round = 0; !signal.aborted; round++) {
    const count = 20 + Math.round(15 * Math.sin(round / 12))
    for (let index = 0; index < count; index++) {
      await send(`${url}/photos/2026-11-21/image-${index % 5}.jpg`)
    }
    if (round % 10 === 0) {
      await send(`${url}/photos/2026-11-20/image-${(round / 10) % 6}.jpg`)
      await send(`${url}/uploads/report-${round}.csv`, 'PUT', 'a,b\n'.repeat(20_000))
    }
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
}

/** Jobs that are under way for as long as pictures are taken. */
async function startJobs(url: string): Promise<void> {
  const limits = { itemsPerSecond: 0.05 }
  await startJob(url, {}, { limits, description: 'every photo, at leisure' })
  const paused = await startJob(url, { prefix: '2026-11-21/' }, { limits, priority: 'low' })
  await send(`${url}/v1/jobs/${paused}/pause`, 'POST')
}

async function measureFirstPaint(browser: Browser, url: string): Promise<void> {
  const times: number[] = []
  for (let visit = 0; visit < VISITS; visit++) {
    const { page, close } = await openPage(browser, url)
    await page.goto(`${url}/ui/`)
    await page.getByText('Objects here').waitFor()
    const paint = await page.evaluate(
      'performance.getEntriesByName("first-contentful-paint")[0]?.startTime',
    )
    times.push(Number(paint))
    await close()
  }
  times.sort((a, b) => a - b)
  const at = (share: number): string => (times[Math.floor(share * (VISITS - 1))] ?? 0).toFixed(0)
  console.log(
    `first contentful paint of ${VISITS} first visits: median ${at(0.5)} ms, max ${at(1)} ms`,
  )
}

async function takePictures(
  browser: Browser,
  url: string,
  what: { readonly colorScheme: 'light' | 'dark'; readonly names: readonly string[] },
): Promise<void> {
  const { colorScheme, names } = what
  const { page, close } = await openPage(browser, url, { colorScheme, width: 1200, height: 820 })
  await page.goto(`${url}/ui/`)
  if (names.length === 0) await new Promise((resolve) => setTimeout(resolve, TRAFFIC_MS))
  for (const { name, hash, shows } of PAGES) {
    if (names.length > 0 && !names.includes(name)) continue
    await page.goto(`${url}/ui/${hash}`)
    await page.getByText(shows, { exact: false }).first().waitFor()
    await page.screenshot({ path: join(FOLDER, `console-${name}-${colorScheme}.png`) })
  }
  if (names.length === 0 || names.includes('help')) {
    await page.getByRole('button', { name: 'Help' }).click()
    await page.screenshot({ path: join(FOLDER, `console-help-${colorScheme}.png`) })
  }
  await close()
}

await main(process.argv.slice(2))
