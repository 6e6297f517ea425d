/** A page of the console and what it is about; it stands in the fragment of the address. */
export type Route =
  | { readonly page: 'overview' | 'buckets' | 'jobs' | 'space' | 'origins' | 'settings' }
  | {
      readonly page: 'objects'
      readonly provider: string
      readonly bucket: string
      readonly prefix: string
    }

/** Pages of the menu, in its order. */
export const MENU = [
  { page: 'overview', title: 'Overview', key: 'o' },
  { page: 'buckets', title: 'Buckets', key: 'b' },
  { page: 'jobs', title: 'Jobs', key: 'j' },
  { page: 'space', title: 'Space', key: 's' },
  { page: 'origins', title: 'Origins', key: 'r' },
  { page: 'settings', title: 'Settings', key: 't' },
] as const

/** The page that a fragment such as `#/buckets/aws/photos?prefix=2026/` names; Overview for any other. */
export function parseRoute(fragment: string): Route {
  const text = fragment.replace(/^#\/?/, '')
  const mark = text.indexOf('?')
  const path = mark === -1 ? text : text.slice(0, mark)
  const query = new URLSearchParams(mark === -1 ? '' : text.slice(mark + 1))
  const [page = '', provider, bucket] = path.split('/').map(decodeSegment)
  if (page === 'buckets' && provider !== undefined && bucket !== undefined && bucket !== '') {
    return { page: 'objects', provider, bucket, prefix: query.get('prefix') ?? '' }
  }
  const known = MENU.find((entry) => entry.page === page)
  return { page: known?.page ?? 'overview' }
}

/** The fragment as `parseRoute` reads it. */
export function formatRoute(route: Route): string {
  if (route.page !== 'objects') return `#/${route.page}`
  const { provider, bucket, prefix } = route
  const query = prefix === '' ? '' : `?${new URLSearchParams({ prefix })}`
  return `#/buckets/${encodeURIComponent(provider)}/${encodeURIComponent(bucket)}${query}`
}

/** A prefix and those above it, each with the name of its last level. */
export function levelsOf(
  prefix: string,
): readonly { readonly name: string; readonly prefix: string }[] {
  const ends = [...prefix.matchAll(/\//g)].map(({ index }) => index + 1)
  return ends.map((end, level) => ({
    name: prefix.slice(level === 0 ? 0 : ends[level - 1], end),
    prefix: prefix.slice(0, end),
  }))
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    // Somebody's own writing; as it stands it names nothing.
    return segment
  }
}
