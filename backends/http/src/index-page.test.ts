import { describe, expect, test } from 'vitest'
import { INDEX_ENTRIES_MAX, INDEX_LINKS_MAX, parseIndexPage } from './index-page.ts'

const PAGE = new URL('http://host/data/sets/')
const HTML = 'text/html; charset=utf-8'

function namesOf(html: string): readonly string[] {
  const text = `<html><head><title>Index of /data/sets/</title></head><body>${html}</body></html>`
  return parseIndexPage(text, PAGE, HTML).map(({ name, kind }) =>
    kind === 'directory' ? `${name}/` : name,
  )
}

const APACHE = `<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<html>
 <head>
  <title>Index of /data/sets</title>
 </head>
 <body>
<h1>Index of /data/sets</h1>
  <table>
   <tr><th valign="top"><img src="/icons/blank.gif" alt="[ICO]"></th><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th><th><a href="?C=S;O=A">Size</a></th></tr>
   <tr><th colspan="5"><hr></th></tr>
<tr><td valign="top"><img src="/icons/back.gif" alt="[PARENTDIR]"></td><td><a href="/data/">Parent Directory</a></td><td>&nbsp;</td><td align="right">  - </td></tr>
<tr><td valign="top"><a href="a%20b.csv"><img src="/icons/text.gif" alt="[TXT]"></a></td><td><a href="a%20b.csv">a b.csv</a></td><td align="right">2026-11-21 04:00  </td><td align="right">1.2K</td></tr>
<tr><td valign="top"><img src="/icons/folder.gif" alt="[DIR]"></td><td><a href="sub/">sub/</a></td><td align="right">2026-11-21 04:00  </td><td align="right">  - </td></tr>
<tr><td valign="top"><img src="/icons/unknown.gif" alt="[   ]"></td><td><a href="./c:d">c:d</a></td><td align="right">2026-11-21 04:00  </td><td align="right"> 17 </td></tr>
<tr><td valign="top"><img src="/icons/unknown.gif" alt="[   ]"></td><td><a href="x&amp;y%3cz%3e">x&amp;y&lt;z&gt;</a></td><td align="right">2026-11-21 04:00  </td><td align="right">3.0M</td></tr>
   <tr><th colspan="5"><hr></th></tr>
</table>
<address>Apache/2.4.62 (Debian) Server at host Port 80</address>
</body></html>`

const NGINX = `<html>\r
<head><title>Index of /data/sets/</title></head>\r
<body>\r
<h1>Index of /data/sets/</h1><hr><pre><a href="../">../</a>\r
<a href="sub/">sub/</a>                    21-Nov-2026 04:00                   -\r
<a href="%C3%A9t%C3%A9.csv">été.csv</a>    21-Nov-2026 04:00                 123\r
</pre><hr></body>\r
</html>\r
`

const PYTHON = `<!DOCTYPE HTML>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Directory listing for /data/sets/</title>
</head>
<body>
<h1>Directory listing for /data/sets/</h1>
<hr>
<ul>
<li><a href="quote%27s">quote&#x27;s</a></li>
<li><a href="sub/">sub/</a></li>
</ul>
<hr>
</body>
</html>
`

describe('an index page', () => {
  test('of Apache names each file once, without its columns and its parent', () => {
    expect(parseIndexPage(APACHE, PAGE, 'text/html;charset=UTF-8')).toEqual([
      { name: 'a b.csv', kind: 'file' },
      { name: 'sub', kind: 'directory' },
      { name: 'c:d', kind: 'file' },
      { name: 'x&y<z>', kind: 'file' },
    ])
  })

  test('of nginx in HTML leaves out rounded sizes and dates without seconds', () => {
    expect(parseIndexPage(NGINX, PAGE, HTML)).toEqual([
      { name: 'sub', kind: 'directory' },
      { name: 'été.csv', kind: 'file' },
    ])
  })

  test("of Python's http.server is one", () => {
    expect(parseIndexPage(PYTHON, PAGE, HTML)).toEqual([
      { name: "quote's", kind: 'file' },
      { name: 'sub', kind: 'directory' },
    ])
  })

  test('of nginx in JSON tells size and date exactly', () => {
    const rows = [
      { name: 'sub', type: 'directory', mtime: 'Sat, 21 Nov 2026 04:00:00 GMT' },
      { name: 'a b', type: 'file', mtime: 'Sat, 21 Nov 2026 04:00:01 GMT', size: 12 },
      { name: 'socket', type: 'other', mtime: 'Sat, 21 Nov 2026 04:00:01 GMT' },
      { name: 'unsized', type: 'file' },
      { name: '../out', type: 'file', size: 1 },
      { name: '..', type: 'directory' },
    ]
    expect(parseIndexPage(JSON.stringify(rows), PAGE, 'application/json')).toEqual([
      { name: 'sub', kind: 'directory' },
      {
        name: 'a b',
        kind: 'file',
        exact: { sizeBytes: 12, lastModifiedMs: Date.UTC(2026, 10, 21, 4, 0, 1) },
      },
      { name: 'unsized', kind: 'file' },
    ])
  })
})

describe('a link', () => {
  test.each([
    '../',
    '/data/',
    '/',
    './',
    '',
    '?C=N',
    'file?download=1',
    'file#top',
    'file?',
    'a/b',
    '/data/sets/a/b',
    'http://elsewhere/data/sets/x',
    'https://host/data/sets/x',
    'http://host:81/data/sets/x',
    '//elsewhere/data/sets/x',
    'mailto:jane@example.com',
    'javascript:alert(1)',
    'a%2Fb',
    '..%2fout',
    '%2e%2e/',
    '%2e%2e/%2e%2e/etc/',
    '..\\out',
    'bad%ffbytes',
    'nul%00',
    'x'.repeat(1025),
  ])('to "%s" is no name of the directory', (href) => {
    expect(namesOf(`<a href="${href}">link</a>`)).toEqual([])
  })

  test.each([
    ['<a href="x">', 'x'],
    ["<A HREF = 'x'>", 'x'],
    ['<a class=c href=x>', 'x'],
    ['<a\nhref="x"\n>', 'x'],
    ['<a href="./x">', 'x'],
    ['<a href="/data/sets/x">', 'x'],
    ['<a href="http://host/data/sets/x/">', 'x/'],
    ['<a href="a%252Fb">', 'a%2Fb'],
    ['<a href="x%3Fy%23z">', 'x?y#z'],
    ['<a href="x&amp;amp;y&#233;&#xE9;&lt;&bad;">', 'x&amp;yéé<&bad;'],
    ['<a href=" padded ">', 'padded'],
  ])('written %s is "%s"', (html, name) => {
    expect(namesOf(html)).toEqual([name])
  })
})

describe('a page that is no index', () => {
  test.each([
    ['<html><title>Welcome</title><a href="x">x</a></html>', HTML],
    ['<title>Index of /</title><a href="x">x</a>', 'text/plain'],
    ['{"name": "x", "type": "file"}', 'application/json'],
    ['[{"name": 7, "type": "file"}]', 'application/json'],
    ['[{"name": "x", "type": "file", "size": "7"}]', 'application/json; charset=utf-8'],
    ['<title>Index of /</title>', ''],
  ])('(%s as %s) is not listed', (text, type) => {
    expect(() => parseIndexPage(text, PAGE, type)).toThrow(
      expect.objectContaining({ code: 'not-implemented' }),
    )
  })

  test('is corrupt when it is half a JSON', () => {
    expect(() => parseIndexPage('[{"name": "x"', PAGE, 'application/json')).toThrow(
      expect.objectContaining({ code: 'backend-corrupt' }),
    )
  })

  test('has as many names as are allowed, and not one more', () => {
    const rows = (count: number): string =>
      JSON.stringify(Array.from({ length: count }, (_, at) => ({ name: `${at}`, type: 'file' })))
    const most = parseIndexPage(rows(INDEX_ENTRIES_MAX), PAGE, 'application/json')
    expect(most.length).toBe(INDEX_ENTRIES_MAX)
    expect(() => parseIndexPage(rows(INDEX_ENTRIES_MAX + 1), PAGE, 'application/json')).toThrow(
      expect.objectContaining({ code: 'backend-refused' }),
    )
  })

  test('has as many links as are allowed, and not one more', () => {
    expect(namesOf('<a href=x>'.repeat(INDEX_LINKS_MAX))).toEqual(['x'])
    expect(() => namesOf('<a href=x>'.repeat(INDEX_LINKS_MAX + 1))).toThrow(
      expect.objectContaining({ code: 'backend-refused' }),
    )
  })

  test('costs no more when it is made of brackets', () => {
    expect(namesOf('<a '.repeat(1_000_000))).toEqual([])
    expect(namesOf(`<a ${'href '.repeat(500_000)}>`)).toEqual([])
    expect(namesOf(`<a href${' '.repeat(1_000_000)}x>`)).toEqual([])
  })
})
