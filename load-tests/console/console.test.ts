import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '@forebay/base/clock'
import { CONSOLE_FOLDER } from '@forebay/console/folder'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findBarriers, launchBrowser, openPage, type Watched } from './browser.ts'
import {
  ADMIN,
  type ConsoleWorld,
  HOSTILE_KEYS,
  openWorld,
  READER,
  send,
  startJob,
} from './console-world.ts'

/** Everything that a browser gets when it opens the console for the first time, compressed. */
const TRANSFER_BYTES_MAX = 60_000

/** Each page, and a text on it that is there once its data is. */
const PAGES: readonly { readonly hash: string; readonly shows: string }[] = [
  { hash: '#/overview', shows: 'Objects here' },
  { hash: '#/buckets', shows: 'aws://photos' },
  { hash: '#/buckets/aws/photos?prefix=2026-11-21%2F', shows: 'image-5.jpg' },
  { hash: '#/jobs', shows: 'prefetch aws://photos' },
  { hash: '#/space', shows: 'Eviction begins at 90 %' },
  { hash: '#/origins', shows: 'answers' },
  { hash: '#/settings', shows: 'space.highWatermark' },
]

let world: ConsoleWorld
let browser: Browser

beforeAll(async () => {
  world = await openWorld()
  browser = await launchBrowser()
})

afterAll(async () => {
  await browser?.close()
  await world?.close()
})

async function goTo(page: Page, hash: string, shows: string): Promise<void> {
  await page.goto(`${world.node.url}/ui/${hash}`)
  await page.getByText(shows, { exact: false }).first().waitFor()
}

/** Opens a page of the console in a profile of its own, and closes that again. */
async function visit(
  hash: string,
  work: (watched: Watched) => Promise<void>,
  options: Parameters<typeof openPage>[2] = {},
): Promise<void> {
  const watched = await openPage(browser, world.node.url, options)
  try {
    await watched.page.goto(`${world.node.url}/ui/${hash}`)
    await work(watched)
    expect(watched.errors).toEqual([])
    expect(watched.strangers).toEqual([])
  } finally {
    await watched.close()
  }
}

describe.each(['light', 'dark'] as const)('in %s colours', (colorScheme) => {
  test('no page has a barrier, an error or a request to another host', async () => {
    const watched = await openPage(browser, world.node.url, { colorScheme })
    const { page } = watched
    for (const { hash, shows } of PAGES) {
      await goTo(page, hash, shows)
      expect([hash, await findBarriers(page)]).toEqual([hash, []])
    }
    await goTo(page, '#/buckets', 'aws://photos')
    await page.getByRole('button', { name: 'Properties of photos' }).click()
    await page.getByLabel('staleIfError', { exact: true }).waitFor()
    expect(await findBarriers(page)).toEqual([])
    await goTo(page, '#/buckets/aws/photos', 'index.csv')
    await page.getByRole('button', { name: 'index.csv' }).click()
    await page.getByText('The copy is fresh').waitFor()
    expect(await findBarriers(page)).toEqual([])
    await goTo(page, '#/jobs', 'prefetch aws://photos')
    await page
      .getByRole('row', { name: /failed/ })
      .getByRole('button')
      .click()
    await page.getByText('object-not-found').waitFor()
    expect(await findBarriers(page)).toEqual([])
    expect(watched.errors).toEqual([])
    expect(watched.strangers).toEqual([])
    await watched.close()
  })
})

test('a browser gets at most 60 kB, compressed', async () => {
  const files = await readdir(CONSOLE_FOLDER, { recursive: true })
  const packed = files.filter((name) => name.endsWith('.gz'))
  const sizes = await Promise.all(
    packed.map(async (name) => (await readFile(join(CONSOLE_FOLDER, name))).length),
  )
  const totalBytes = sizes.reduce((sum, size) => sum + size, 0)
  console.log(`the console has ${totalBytes} bytes, compressed`)
  expect(packed.length).toBeGreaterThan(2)
  expect(totalBytes).toBeLessThanOrEqual(TRANSFER_BYTES_MAX)
})

test('a schedule that was refused tells so beside the jobs', async () => {
  const { url } = world.node
  const put = (path: string, body?: unknown) =>
    fetch(`${url}/${path}`, { method: 'PUT', body: JSON.stringify(body) ?? null })
  await put('gone')
  await put('v1/schedules/often', {
    cron: '* * * * * *',
    order: { kind: 'delete', bucket: 'ais://gone', args: { all: true } },
  })
  await fetch(`${url}/gone`, { method: 'DELETE' })
  const told = async (): Promise<string> => (await fetch(`${url}/v1/schedules`)).text()
  try {
    while ((await told()).includes('"lastError":null')) await systemClock.sleep(100)
    await visit('#/jobs', async ({ page }) => {
      const row = page.getByRole('row', { name: /often/ })
      await row.getByText('bucket does not exist').waitFor()
      expect(await row.textContent()).toContain('delete ais://gone')
      expect(await findBarriers(page)).toEqual([])
    })
  } finally {
    await fetch(`${url}/v1/schedules/often`, { method: 'DELETE' })
  }
})

test('the overview follows the traffic', () =>
  visit('#/overview', async ({ page }) => {
    await page.getByRole('heading', { name: 'Throughput' }).waitFor()
    const row = page.getByRole('row', { name: /GetObject/ })
    const stop = new AbortController()
    const readers = (async () => {
      while (!stop.signal.aborted) await send(`${world.node.url}/photos/2026-11-21/image-1.jpg`)
    })()
    try {
      await row.waitFor()
      expect(await row.textContent()).toMatch(/\d\/s/)
    } finally {
      stop.abort()
      await readers
    }
  }))

test('no page is wider than a screen of 360 pixels', () =>
  visit(
    '#/overview',
    async ({ page }) => {
      for (const { hash, shows } of PAGES) {
        await goTo(page, hash, shows)
        const width = await page.evaluate('document.documentElement.scrollWidth')
        expect([hash, width]).toEqual([hash, 360])
      }
    },
    { width: 360, height: 700 },
  ))

test('the whole console can be used by keyboard', () =>
  visit('#/overview', async ({ page }) => {
    const focused = (): Promise<unknown> =>
      page.evaluate('document.activeElement?.textContent?.trim() ?? ""')
    await page.getByRole('link', { name: 'Overview' }).waitFor()
    const passed: unknown[] = []
    for (let count = 0; count < 8; count++) {
      await page.keyboard.press('Tab')
      passed.push(await focused())
    }
    expect(passed).toEqual(
      expect.arrayContaining([
        'Skip to the content',
        'Overview',
        'Buckets',
        'Jobs',
        'Space',
        'Origins',
        'Settings',
      ]),
    )
    await page.keyboard.press('g')
    await page.keyboard.press('b')
    await page.getByRole('heading', { level: 1, name: 'Buckets' }).waitFor()
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Help' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog', { name: 'Help' }).waitFor({ state: 'detached' })
    await page.keyboard.press('g')
    await page.keyboard.press('t')
    await page.getByText('space.highWatermark').waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('eviction begins')
    await page.getByText('space.lowWatermark').waitFor({ state: 'detached' })
    expect(await page.getByText('space.highWatermark').count()).toBe(1)
  }))

test('names of strangers are text, and show what is hidden in them', () =>
  visit('#/buckets/ais/uploads', async ({ page }) => {
    await page.getByText('line\\u{a}break').waitFor()
    const rows = await page.getByRole('row').allTextContents()
    // What stands before a slash is a level of its own.
    const shown = HOSTILE_KEYS.map((key) =>
      key.replace(/\/.*/, '/').replace('\u202e', '\\u{202e}').replace('\n', '\\u{a}'),
    )
    for (const name of shown) expect(rows.some((row) => row.includes(name))).toBe(true)
    await page.getByRole('link', { name: '<script>' }).click()
    await page.getByRole('button', { name: 'script>' }).click()
    await page.getByText('The bucket is native').waitFor()
    expect(await page.evaluate('window.hit')).toBeUndefined()
  }))

test('copies are dropped one by one and below a prefix, and the origin keeps its objects', () =>
  visit('#/buckets/aws/photos?prefix=2026-11-21%2F', async ({ page }) => {
    await send(`${world.node.url}/photos/2026-11-21/image-0.jpg`)
    await page.getByRole('button', { name: 'image-0.jpg' }).click()
    await page.getByRole('button', { name: 'Drop the copy here' }).click()
    await page.getByText('Nothing of the object is stored here').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Drop copies' }).click()
    await page.getByRole('button', { name: 'Drop them' }).click()
    await page.getByText('that is all').waitFor()
    await page.keyboard.press('Escape')
    await page.getByText('not here').nth(5).waitFor()
    expect(await send(`${world.node.url}/photos/2026-11-21/image-0.jpg`)).toHaveLength(70_000)
  }))

test('a property is saved, and a bad value is refused with what is allowed', () =>
  visit('#/buckets', async ({ page }) => {
    await page.getByRole('button', { name: 'Properties of photos' }).click()
    await page.getByLabel('staleIfError', { exact: true }).fill('10m')
    await page.getByRole('button', { name: 'Save staleIfError' }).click()
    await page.getByText('Saved.').waitFor()
    expect(await send(`${world.node.url}/v1/forebay/buckets`)).toContain('"staleIfError":"10m"')
  }))

test('a job is followed as it runs, paused, resumed, aborted and forgotten', () =>
  visit('#/jobs', async ({ page }) => {
    await page.getByText('Nothing is under way').waitFor()
    // Slow enough to be met while it runs.
    const limits = { itemsPerSecond: 0.5 }
    const id = await startJob(world.node.url, {}, { limits, description: 'a slow one' })
    await page.getByRole('button', { name: 'prefetch aws://photos' }).first().waitFor()
    const row = page.getByRole('region', { name: 'Under way' }).getByRole('row').nth(1)
    await row.getByText('a slow one').waitFor()
    await row.getByRole('meter').waitFor()
    await row.getByRole('button').click()
    const dialog = page.getByRole('dialog', { name: 'prefetch aws://photos' })
    await dialog.getByText(id).waitFor()
    const status = dialog.getByRole('status')
    for (const [press, state] of [
      ['Pause', 'paused'],
      ['Resume', /queued|running/],
      ['Abort', 'aborted'],
    ] as const) {
      await dialog.getByRole('button', { name: press }).click()
      await status.getByText(state).waitFor()
    }
    await dialog.getByRole('button', { name: 'Retry what failed' }).waitFor()
    await dialog.getByRole('button', { name: 'Forget' }).click()
    await dialog.waitFor({ state: 'detached' })
    expect(await page.getByText('a slow one').count()).toBe(0)
  }))

test('jobs are filtered by their state, and one that failed says of each name why', () =>
  visit('#/jobs', async ({ page }) => {
    await page.getByRole('row', { name: /failed/ }).waitFor()
    await page.getByLabel('State').selectOption('failed')
    await page.getByText('Nothing is under way').waitFor()
    expect(await page.getByRole('row').count()).toBe(2)
    await page.getByRole('row').nth(1).getByRole('button').click()
    const failures = page.getByRole('region', { name: 'Failures' })
    await failures.getByText(HOSTILE_KEYS[0] ?? '', { exact: true }).waitFor()
    expect(await failures.getByText('object-not-found').count()).toBe(1)
    expect(await page.evaluate('window.hit')).toBeUndefined()
  }))

test('the page of a bucket starts a prefetch', () =>
  visit('#/buckets/aws/photos?prefix=2026-11-20%2F', async ({ page }) => {
    await page.getByRole('button', { name: 'Prefetch' }).click()
    await page.getByRole('button', { name: 'Start the job' }).click()
    await page.getByRole('heading', { level: 1, name: 'Jobs' }).waitFor()
    await page.getByText('6 of 6').nth(1).waitFor()
  }))

describe('where users have keys', () => {
  const signIn = async (page: Page, keys: typeof ADMIN): Promise<void> => {
    await page.getByLabel('Access key').fill(keys.accessKey)
    await page.getByLabel('Secret key').fill(keys.secretKey)
    await page.getByRole('button', { name: 'Sign in' }).click()
  }

  test('a wrong secret is refused, the right one opens the console and is found nowhere', async () => {
    const { url } = world.users
    const watched = await openPage(browser, url)
    const { page, urls } = watched
    await page.goto(`${url}/ui/`)
    await page.getByLabel('Access key').waitFor()
    expect(await findBarriers(page)).toEqual([])
    await signIn(page, { ...ADMIN, secretKey: `${ADMIN.secretKey}-not` })
    await page.getByRole('alert').waitFor()
    await signIn(page, ADMIN)
    await page.getByText('Objects here').waitFor()
    await page.goto(`${url}/ui/#/settings`)
    await page.getByText('auth.users').waitFor()
    const kept = await page.evaluate(
      'JSON.stringify([localStorage, sessionStorage, document.cookie, document.documentElement.outerHTML])',
    )
    const told = [kept, ...urls, world.users.logs()].join('\n')
    expect(told).toContain(ADMIN.accessKey)
    expect(told).not.toContain(ADMIN.secretKey)
    expect(watched.strangers).toEqual([])
    await watched.close()
  })

  test('an object is saved by a link that is signed and expires', async () => {
    const { url } = world.users
    const watched = await openPage(browser, url)
    const { page } = watched
    await page.goto(`${url}/ui/#/buckets/aws/photos`)
    await page.getByLabel('Access key').waitFor()
    await signIn(page, ADMIN)
    await page.getByRole('button', { name: 'index.csv' }).click()
    const saved = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Download' }).click()
    const download = await saved
    expect(await readFile(await download.path(), 'utf8')).toBe('name,size\n')
    const link = new URL(download.url())
    expect(link.searchParams.get('X-Amz-Expires')).toBe('60')
    expect(link.href).not.toContain(ADMIN.secretKey)
    await watched.close()
  })

  test('who may only read sees buckets and objects, and is told what the rest needs', async () => {
    const { url } = world.users
    const watched = await openPage(browser, url)
    const { page } = watched
    await page.goto(`${url}/ui/`)
    await signIn(page, READER)
    await page.getByText('Charts need a user with the policy admin').waitFor()
    await page.getByRole('link', { name: 'Settings' }).click()
    await page.getByText('you may not manage').waitFor()
    await page.getByRole('link', { name: 'Jobs' }).click()
    await page.getByText('Nothing is under way').waitFor()
    await page.goto(`${url}/ui/#/buckets/aws/photos`)
    await page.getByRole('button', { name: 'index.csv' }).waitFor()
    expect(await findBarriers(page)).toEqual([])
    await watched.close()
  })
})

test('a node that does not answer is said, and forgotten when it answers again', async () => {
  const { page, close } = await openPage(browser, world.node.url)
  await goTo(page, '#/overview', 'Objects here')
  await page.route('**/v1/forebay/status', (route) => route.abort())
  await page.getByRole('alert').getByText('The node cannot be asked').waitFor()
  expect(await findBarriers(page)).toEqual([])
  await page.unroute('**/v1/forebay/status')
  await page.getByRole('alert').waitFor({ state: 'detached' })
  await close()
})
