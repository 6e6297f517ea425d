import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { Buckets } from './buckets.tsx'
import { HelpDialog } from './help.tsx'
import { Jobs } from './jobs.tsx'
import { LiveContext, usePolling } from './live.ts'
import { useLoad } from './load.ts'
import { Objects } from './objects.tsx'
import { Origins } from './origins.tsx'
import { Overview } from './overview.tsx'
import { Await, Notice } from './parts.tsx'
import { formatRoute, MENU, parseRoute, type Route } from './route.ts'
import { readMode, Session } from './session.ts'
import { Settings } from './settings.tsx'
import { useShortcuts } from './shortcuts.ts'
import { SignIn } from './sign-in.tsx'
import { Space } from './space.tsx'
import { storedTheme, storeTheme, THEMES } from './theme.ts'

/** The console: who uses it, then its pages. */
export function App(): ComponentChildren {
  const mode = useLoad('mode', readMode)
  const [session, setSession] = useState<Session | undefined>(undefined)
  const isOpen = mode.kind === 'ready' && mode.value.mode === 'open'
  useEffect(() => {
    if (isOpen) setSession(new Session())
  }, [isOpen])
  if (session !== undefined) {
    const signOut = isOpen ? undefined : () => setSession(undefined)
    return <Shell session={session} signOut={signOut} />
  }
  return (
    <Await loaded={mode}>
      {({ mode: kind, region }) =>
        kind === 'open' ? null : <SignIn region={region} onSession={setSession} />
      }
    </Await>
  )
}

interface ShellProps {
  readonly session: Session
  /** Undefined where nobody signs in. */
  readonly signOut: (() => void) | undefined
}

function Shell({ session, signOut }: ShellProps): ComponentChildren {
  const live = usePolling(session)
  const route = useRoute()
  const [helps, setHelps] = useState(false)
  const main = useRef<HTMLElement>(null)
  useShortcuts({ help: () => setHelps(true) })
  const place = formatRoute(route)
  const shown = useRef(place)
  useEffect(() => {
    document.title = `${titleOf(route)} – Forebay`
    // Who goes to another page by keyboard goes on from its top.
    if (shown.current !== place) main.current?.focus()
    shown.current = place
  }, [place, route])
  return (
    <LiveContext.Provider value={live}>
      <header>
        <a class="skip" href={place} onClick={(event) => skipTo(event, main.current)}>
          Skip to the content
        </a>
        <a class="brand" href="#/overview">
          Forebay
        </a>
        <nav aria-label="Pages">
          {MENU.map(({ page, title }) => (
            <a key={page} href={`#/${page}`} aria-current={isIn(route, page) ? 'page' : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <span class="tools">
          <ThemeChoice />
          <button type="button" onClick={() => setHelps(true)}>
            Help
          </button>
          {signOut === undefined ? null : (
            <button type="button" onClick={signOut}>
              Sign out {session.accessKey}
            </button>
          )}
        </span>
      </header>
      <main ref={main} tabIndex={-1}>
        {live.failure === undefined ? null : (
          <Notice>The node cannot be asked: {live.failure}</Notice>
        )}
        <Page route={route} session={session} />
      </main>
      <footer>
        {live.report === undefined ? 'Forebay' : `Forebay ${live.report.version}`} at{' '}
        {location.host}
      </footer>
      {helps ? <HelpDialog onClose={() => setHelps(false)} /> : null}
    </LiveContext.Provider>
  )
}

function Page(props: { readonly route: Route; readonly session: Session }): ComponentChildren {
  const { route, session } = props
  switch (route.page) {
    case 'overview':
      return <Overview />
    case 'buckets':
      return <Buckets session={session} />
    case 'objects':
      return <Objects key={formatRoute({ ...route, prefix: '' })} session={session} route={route} />
    case 'jobs':
      return <Jobs session={session} />
    case 'space':
      return <Space session={session} />
    case 'origins':
      return <Origins />
    case 'settings':
      return <Settings session={session} />
    default:
      return route satisfies never
  }
}

function ThemeChoice(): ComponentChildren {
  const [theme, setTheme] = useState(storedTheme())
  return (
    <label>
      <span class="hidden">Colours</span>
      <select
        value={theme}
        onChange={({ currentTarget }) => {
          const chosen = THEMES.find((known) => known === currentTarget.value) ?? 'system'
          storeTheme(chosen)
          setTheme(chosen)
        }}
      >
        {THEMES.map((known) => (
          <option key={known} value={known}>
            {known} colours
          </option>
        ))}
      </select>
    </label>
  )
}

function useRoute(): Route {
  const [fragment, setFragment] = useState(location.hash)
  useEffect(() => {
    const follow = (): void => setFragment(location.hash)
    window.addEventListener('hashchange', follow)
    return () => window.removeEventListener('hashchange', follow)
  }, [])
  return parseRoute(fragment)
}

function isIn(route: Route, page: string): boolean {
  return route.page === page || (route.page === 'objects' && page === 'buckets')
}

function titleOf(route: Route): string {
  if (route.page === 'objects') return route.bucket
  return MENU.find(({ page }) => page === route.page)?.title ?? ''
}

/** The fragment of the address names the page, so the link cannot lead to an element by itself. */
function skipTo(event: Event, main: HTMLElement | null): void {
  event.preventDefault()
  main?.focus()
}
