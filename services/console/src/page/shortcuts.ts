import { useEffect } from 'preact/hooks'
import { MENU } from './route.ts'

/** Time within which the second key of a pair must follow, ms. */
const PAIR_MS = 1500

/** Keys of the whole console; they do nothing while somebody types, and can be looked up by `?`. */
export function useShortcuts(actions: { readonly help: () => void }): void {
  useEffect(() => {
    let goUntilMs = 0
    const onKey = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
      const page = MENU.find(({ key }) => key === event.key)
      if (event.timeStamp < goUntilMs && page !== undefined) {
        event.preventDefault()
        location.hash = `#/${page.page}`
      } else if (event.key === '?') actions.help()
      else if (event.key === '/') focusSearch(event)
      goUntilMs = event.key === 'g' ? event.timeStamp + PAIR_MS : 0
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [])
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  return target.closest('input, select, textarea, dialog') !== null
}

function focusSearch(event: KeyboardEvent): void {
  const field = document.querySelector('input[type="search"]')
  if (!(field instanceof HTMLInputElement)) return
  event.preventDefault()
  field.focus()
}
