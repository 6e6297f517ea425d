import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What stands in a directory instead of an index that the server makes. */
export const INDEX_NAME = 'index.html'

/**
 * Writes the index pages of a directory and all below it, as Apache's mod_autoindex makes them
 * (`IndexOptions FancyIndexing HTMLTable`): an icon and a name link to the same place, the columns sort
 * by links with a query, sizes are rounded and dates have no zone.
 *
 * @param path the directory on disk
 * @param urlPath its path at the server, with a slash at its end
 */
export async function writeApacheIndex(path: string, urlPath: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true })
  const rows = entries
    .filter(({ name }) => name !== INDEX_NAME)
    .map((entry) => rowOf(entry.isDirectory() ? `${entry.name}/` : entry.name))
  await writeFile(join(path, INDEX_NAME), pageOf(urlPath, rows))
  for (const entry of entries) {
    if (!entry.isDirectory()) continue
    await writeApacheIndex(join(path, entry.name), `${urlPath}${encodeURIComponent(entry.name)}/`)
  }
}

function pageOf(urlPath: string, rows: readonly string[]): string {
  const sorts = ['Name', 'Last modified', 'Size']
    .map((title, at) => `<th><a href="?C=${'NMS'[at]};O=A">${title}</a></th>`)
    .join('')
  const parent = urlPath.replace(/[^/]+\/$/, '')
  return `<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<html>
 <head>
  <title>Index of ${escapeHtml(urlPath.slice(0, -1))}</title>
 </head>
 <body>
<h1>Index of ${escapeHtml(urlPath.slice(0, -1))}</h1>
  <table>
   <tr><th valign="top"><img src="/icons/blank.gif" alt="[ICO]"></th>${sorts}</tr>
   <tr><th colspan="4"><hr></th></tr>
<tr><td valign="top"><img src="/icons/back.gif" alt="[PARENTDIR]"></td><td><a href="${parent}">Parent Directory</a></td><td>&nbsp;</td><td align="right">  - </td></tr>
${rows.join('\n')}
   <tr><th colspan="4"><hr></th></tr>
</table>
<address>Apache/2.4.62 (Debian) Server at 127.0.0.1 Port 80</address>
</body></html>
`
}

function rowOf(name: string): string {
  const href = escapeHtml(escapePath(name))
  const icon = `<a href="${href}"><img src="/icons/unknown.gif" alt="[   ]"></a>`
  const link = `<a href="${href}">${escapeHtml(name)}</a>`
  return `<tr><td valign="top">${icon}</td><td>${link}</td><td align="right">2026-11-21 04:00  </td><td align="right">1.2K</td></tr>`
}

/** Like ap_os_escape_path: more characters stay than encodeURIComponent leaves, and a colon gets `./`. */
function escapePath(name: string): string {
  const path = encodeURI(name).replace(/[#;?[\]]/g, (character) => encodeURIComponent(character))
  return path.includes(':') ? `./${path}` : path
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
