/** What the user chose; `system` follows the browser. */
export type Theme = 'system' | 'light' | 'dark'

export const THEMES: readonly Theme[] = ['system', 'light', 'dark']

/** The one thing that the console remembers between visits. */
const KEY = 'forebay-theme'

export function storedTheme(): Theme {
  try {
    const stored = localStorage.getItem(KEY)
    return THEMES.find((theme) => theme === stored) ?? 'system'
  } catch {
    // Storage may be forbidden; the browser's own preference is then all there is.
    return 'system'
  }
}

export function storeTheme(theme: Theme): void {
  applyTheme(theme)
  try {
    localStorage.setItem(KEY, theme)
  } catch {
    // It holds for this visit.
  }
}

/** Charts draw their colours by hand and listen for this event. */
export const THEME_EVENT = 'forebay-theme'

export function applyTheme(theme: Theme): void {
  const { dataset } = document.documentElement
  if (theme === 'system') delete dataset['theme']
  else dataset['theme'] = theme
  window.dispatchEvent(new Event(THEME_EVENT))
}
