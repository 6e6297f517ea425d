import type { ComponentChildren } from 'preact'
import { Dialog } from './dialog.tsx'
import { MENU } from './route.ts'

const OTHERS = [
  { keys: ['/'], does: 'search in the page' },
  { keys: ['?'], does: 'this help' },
  { keys: ['Esc'], does: 'close a dialog' },
] as const

/** What the keys do. */
export function HelpDialog(props: { readonly onClose: () => void }): ComponentChildren {
  const pages = MENU.map(({ title, key }) => ({ keys: ['g', key], does: `go to ${title}` }))
  return (
    <Dialog title="Help" onClose={props.onClose}>
      <dl class="keys">
        {[...pages, ...OTHERS].map(({ keys, does }) => (
          <div key={does}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <p>
        Everything here comes from the node that shows this page, every two seconds while the page
        is seen. Nothing is sent anywhere else. Figures “now” are of the last two seconds.
      </p>
    </Dialog>
  )
}
