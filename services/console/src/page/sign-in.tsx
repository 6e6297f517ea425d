import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { messageOf } from './load.ts'
import { Notice } from './parts.tsx'
import { Session } from './session.ts'

/** Asks for a pair of keys. They are tried at once, and held by the session alone. */
export function SignIn(props: {
  readonly region: string
  readonly onSession: (session: Session) => void
}): ComponentChildren {
  const [failure, setFailure] = useState<string | undefined>(undefined)
  const [busy, setBusy] = useState(false)
  if (globalThis.crypto?.subtle === undefined) {
    return (
      <main class="sign-in">
        <h1>Forebay</h1>
        <Notice>
          Browsers sign requests only on pages that came over HTTPS or from localhost. Give the node
          a certificate (settings tls.cert and tls.key) or open a tunnel to it.
        </Notice>
      </main>
    )
  }
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (!(event.currentTarget instanceof HTMLFormElement)) return
    const form = event.currentTarget
    const fields = new FormData(form)
    setBusy(true)
    try {
      const accessKey = String(fields.get('access-key') ?? '').trim()
      const secretKey = String(fields.get('secret-key') ?? '').trim()
      const session = new Session({ accessKey, secretKey, region: props.region })
      await session.client.status()
      form.reset()
      props.onSession(session)
    } catch (error) {
      setFailure(messageOf(error))
      setBusy(false)
    }
  }
  return (
    <main class="sign-in">
      <h1>Forebay</h1>
      <form onSubmit={(event) => void submit(event)}>
        <label>
          Access key
          <input name="access-key" autocomplete="off" spellcheck={false} required />
        </label>
        <label>
          Secret key
          <input name="secret-key" type="password" autocomplete="off" required />
        </label>
        {failure === undefined ? null : <Notice>{failure}</Notice>}
        <button type="submit" class="primary" disabled={busy}>
          Sign in
        </button>
        <p class="muted">
          The keys stay in the memory of this page. They sign its requests, are sent nowhere, and
          are gone when the page is closed.
        </p>
      </form>
    </main>
  )
}
