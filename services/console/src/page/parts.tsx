import type { ComponentChildren } from 'preact'
import { percentText } from './format.ts'
import type { Loaded } from './load.ts'

/** A part of a page with a heading. */
export function Card(props: {
  readonly title: string
  readonly children: ComponentChildren
}): ComponentChildren {
  return (
    <section class="card">
      <h2>{props.title}</h2>
      {props.children}
    </section>
  )
}

/** One figure with its name. */
export function Figure(props: {
  readonly name: string
  readonly value: string
  readonly detail?: string | undefined
}): ComponentChildren {
  return (
    <div class="figure">
      <dt>{props.name}</dt>
      <dd>
        <b>{props.value}</b>
        {props.detail === undefined ? null : <small>{props.detail}</small>}
      </dd>
    </div>
  )
}

/** A column of a table; numbers stand on the right. */
export interface Column<Row> {
  readonly head: string
  readonly number?: boolean
  readonly cell: (row: Row) => ComponentChildren
}

/** A table that scrolls by itself where the screen is narrow; `empty` stands for one without rows. */
export function Table<Row>(props: {
  readonly caption: string
  readonly columns: readonly Column<Row>[]
  readonly rows: readonly Row[]
  readonly keyOf: (row: Row) => string
  readonly empty: string
}): ComponentChildren {
  const { caption, columns, rows, keyOf, empty } = props
  if (rows.length === 0) return <p class="muted">{empty}</p>
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (axe scrollable-region-focusable)
    <section class="scroll" tabIndex={0} aria-label={caption}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ head, number }) => (
              <th key={head} scope="col" class={number === true ? 'number' : undefined}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ head, number, cell }) => (
                <td key={head} class={number === true ? 'number' : undefined}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

/** A share as a bar and in words. */
export function Share(props: {
  readonly label: string
  /** 0..1. */
  readonly share: number
}): ComponentChildren {
  const { label, share } = props
  return (
    <span class="share">
      <meter aria-label={label} min={0} max={1} value={share} />
      <span>{percentText(share)}</span>
    </span>
  )
}

/** What is there once it is; before that and when it fails, words. */
export function Await<T>(props: {
  readonly loaded: Loaded<T>
  readonly children: (value: T) => ComponentChildren
}): ComponentChildren {
  const { loaded, children } = props
  switch (loaded.kind) {
    case 'loading':
      return <p class="muted">Loading …</p>
    case 'failed':
      return <Notice>{loaded.message}</Notice>
    case 'ready':
      return children(loaded.value)
    default:
      return loaded satisfies never
  }
}

/** A sentence of the reference: what stands between backticks is code. */
export function Doc(props: { readonly text: string }): ComponentChildren {
  return props.text
    .split('`')
    .map((part, index) => (index % 2 === 1 ? <code key={`${index}${part}`}>{part}</code> : part))
}

/** Something that the user should know. */
export function Notice(props: { readonly children: ComponentChildren }): ComponentChildren {
  return (
    <p class="notice" role="alert">
      {props.children}
    </p>
  )
}
