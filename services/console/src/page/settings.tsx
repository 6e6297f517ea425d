import type { ReportedSetting } from '@forebay/client/client'
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { useLoad } from './load.ts'
import { Await, Card, Doc, Table } from './parts.tsx'
import type { Session } from './session.ts'

/** Every setting that the node runs with, and where its value comes from. */
export function Settings({ session }: { readonly session: Session }): ComponentChildren {
  const settings = useLoad('config', (signal) => session.client.config({ signal }))
  const [wanted, setWanted] = useState('')
  const [changedOnly, setChangedOnly] = useState(false)
  return (
    <>
      <h1>Settings</h1>
      <Card title="All settings">
        <p class="muted">
          Settings come from a file, the environment and flags; they are read when the node starts.
          Secrets are not shown.
        </p>
        <div class="controls">
          <label>
            Search{' '}
            <input
              type="search"
              value={wanted}
              onInput={({ currentTarget }) => setWanted(currentTarget.value)}
            />
          </label>
          <label>
            <input
              type="checkbox"
              checked={changedOnly}
              onChange={({ currentTarget }) => setChangedOnly(currentTarget.checked)}
            />{' '}
            only those that were set
          </label>
        </div>
        <Await loaded={settings}>
          {(all) => (
            <SettingTable
              rows={all.filter(
                (setting) =>
                  matches(setting, wanted) && (!changedOnly || setting.origin !== 'default'),
              )}
            />
          )}
        </Await>
      </Card>
    </>
  )
}

function SettingTable({ rows }: { readonly rows: readonly ReportedSetting[] }): ComponentChildren {
  return (
    <Table
      caption="All settings"
      rows={rows}
      keyOf={({ key }) => key}
      empty="No setting is like this."
      columns={[
        { head: 'Setting', cell: ({ key }) => <code>{key}</code> },
        { head: 'Value', cell: ({ value }) => <code>{valueText(value)}</code> },
        { head: 'Comes from', cell: ({ origin }) => origin },
        { head: 'What it is for', cell: ({ doc }) => <Doc text={doc ?? ''} /> },
      ]}
    />
  )
}

function matches({ key, doc = '' }: ReportedSetting, wanted: string): boolean {
  const words = wanted.toLowerCase().split(/\s+/)
  const text = `${key} ${doc}`.toLowerCase()
  return words.every((word) => text.includes(word))
}

function valueText(value: unknown): string {
  if (value === null || value === undefined) return 'not set'
  return typeof value === 'string' ? value : JSON.stringify(value)
}
