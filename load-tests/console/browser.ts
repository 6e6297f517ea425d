import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { type Browser, chromium, type Page } from 'playwright-core'
import { requireTool } from '../testkit/tools.ts'

/** The browser of a test; root may run it only outside its own sandbox. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: requireTool('chromium'), args: ['--no-sandbox'] })
}

/** A page, and everything on it that should not be. */
export interface Watched {
  readonly page: Page
  /** What the browser complained about. */
  readonly errors: readonly string[]
  /** Addresses of other hosts that were asked for. */
  readonly strangers: readonly string[]
  /** Every address that was asked for. */
  readonly urls: readonly string[]
  close(): Promise<void>
}

interface PageOptions {
  readonly colorScheme?: 'light' | 'dark'
  readonly width?: number
  readonly height?: number
}

/** Opens an empty page of a profile of its own. */
export async function openPage(
  browser: Browser,
  origin: string,
  options: PageOptions = {},
): Promise<Watched> {
  const { colorScheme = 'light', width = 1280, height = 900 } = options
  const context = await browser.newContext({
    colorScheme,
    viewport: { width, height },
    reducedMotion: 'reduce',
  })
  const page = await context.newPage()
  const errors: string[] = []
  const strangers: string[] = []
  const urls: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text())
  })
  page.on('pageerror', (error) => errors.push(String(error)))
  page.on('request', (request) => {
    urls.push(request.url())
    if (!request.url().startsWith(`${origin}/`)) strangers.push(request.url())
  })
  return { page, errors, strangers, urls, close: () => context.close() }
}

const AXE_SOURCE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

/** What axe finds on a page as it is now: rule, element and advice. */
export async function findBarriers(page: Page): Promise<readonly string[]> {
  // Not by a script element: the page's content security policy refuses it, as it should.
  await page.evaluate(await readFile(AXE_SOURCE, 'utf8'))
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      // Put there by the line before.
      readonly axe: {
        run(): Promise<{
          readonly violations: readonly {
            readonly id: string
            readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[]
          }[]
        }>
      }
    }
    const { violations } = await axe.run()
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)}: ${failureSummary}`),
    )
  })
}
