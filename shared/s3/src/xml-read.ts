import { Failure } from '@forebay/base/failure'
import { XML_BODY_BYTES_MAX } from '@forebay/base/limits'
import { XMLParser, XMLValidator } from 'fast-xml-parser'

/** Levels of elements; the deepest document of the S3 API has five. */
export const XML_DEPTH_MAX = 16

/** Elements of one document: 10,000 parts with eight elements each fit. */
export const XML_ELEMENTS_MAX = 100_000

/** An element: its text with entities decoded, and its children in order. */
export interface XmlElement {
  readonly name: string
  readonly text: string
  readonly children: readonly XmlElement[]
}

/** What the parser yields with `preserveOrder`: one-key objects; text under `#text`. */
type ParsedNode = Readonly<Record<string, unknown>>

const parser = new XMLParser({
  preserveOrder: true,
  processEntities: false,
  parseTagValue: false,
  trimValues: false,
  ignoreAttributes: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
  cdataPropName: '#cdata',
})

/** White space, comments and processing instructions. */
const MISCELLANEOUS = /^(?:\s|<!--[\s\S]*?-->|<\?[\s\S]*?\?>)*$/

const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * Parses the body of a request: well-formed XML in UTF-8 without a DOCTYPE, bounded in size, depth
 * and count. White space in text is kept; the five named entities and numeric ones are decoded.
 *
 * @param rootName what the outermost element must be
 * @throws Failure `xml-malformed` | `message-too-large`
 */
export function parseXml(
  body: Uint8Array,
  rootName: string,
  bytesMax: number = XML_BODY_BYTES_MAX,
): XmlElement {
  if (body.byteLength > bytesMax) {
    throw new Failure('message-too-large', `the XML is longer than ${bytesMax} bytes`)
  }
  const text = decodeUtf8(body)
  checkBounds(text)
  const nodes = parseChecked(text)
  const root = nodes.flatMap((node) => toElement(node, 0))[0]
  if (root?.name !== rootName) throw malformed(`it is not a ${rootName}`)
  return root
}

/** The children of an element that have this name. */
export function childrenOf(element: XmlElement, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name)
}

/**
 * The text of the only child of this name.
 *
 * @returns `undefined` when there is none
 * @throws Failure `xml-malformed` when there are two, or it has children of its own
 */
export function textOf(element: XmlElement, name: string): string | undefined {
  const [child, second] = childrenOf(element, name)
  if (second !== undefined) throw malformed(`${name} comes twice`)
  if (child !== undefined && child.children.length > 0) throw malformed(`${name} is not text`)
  return child?.text
}

/** As `textOf`, required. */
export function requiredTextOf(element: XmlElement, name: string): string {
  const text = textOf(element, name)
  if (text === undefined) throw malformed(`${name} is missing`)
  return text
}

/** A whole number in an element. @throws Failure `xml-malformed` */
export function numberOf(element: XmlElement, name: string): number | undefined {
  const text = textOf(element, name)?.trim()
  if (text === undefined) return undefined
  if (!/^-?\d{1,15}$/.test(text)) throw malformed(`${name} is not a whole number`)
  return Number(text)
}

/** The failure of a document that says something the API does not allow. */
export function malformed(why: string, cause?: unknown): Failure {
  return new Failure(
    'xml-malformed',
    `the XML you provided was not well-formed or did not validate against our published schema: ${why}`,
    { cause },
  )
}

function decodeUtf8(body: Uint8Array): string {
  try {
    return decoder.decode(body)
  } catch (cause) {
    throw malformed('it is not UTF-8', cause)
  }
}

/** One scan before any parser sees the text: these bounds hold whatever the parser does. */
function checkBounds(text: string): void {
  let depth = 0
  let elements = 0
  for (let at = text.indexOf('<'); at !== -1; at = text.indexOf('<', at + 1)) {
    switch (text.charCodeAt(at + 1)) {
      case 0x21: {
        const end = endOfMarkup(text, at)
        if (end === -1) throw malformed('it has a DOCTYPE or an unclosed section')
        at = end
        break
      }
      case 0x2f:
        depth--
        if (depth === 0) checkEnd(text, at)
        break
      case 0x3f:
        break
      default: {
        const close = text.indexOf('>', at)
        elements++
        if (close !== -1 && text.charCodeAt(close - 1) !== 0x2f) depth++
        else if (depth === 0) checkEnd(text, at)
      }
    }
    if (depth > XML_DEPTH_MAX) throw malformed('its elements are nested too deep')
    if (elements > XML_ELEMENTS_MAX) throw malformed('it has too many elements')
  }
}

/** The validator overlooks what follows a root that closes itself. */
function checkEnd(text: string, at: number): void {
  const close = text.indexOf('>', at)
  if (close === -1 || !MISCELLANEOUS.test(text.slice(close + 1))) {
    throw malformed('it does not end at its root')
  }
}

/** Last index of a comment or CDATA section that begins at `at`; -1 for all other `<!`. */
function endOfMarkup(text: string, at: number): number {
  if (text.startsWith('<!--', at)) return text.indexOf('-->', at + 4)
  return text.startsWith('<![CDATA[', at) ? text.indexOf(']]>', at + 9) : -1
}

function parseChecked(text: string): readonly ParsedNode[] {
  // The parser alone takes cut documents and garbage without a word.
  if (XMLValidator.validate(text) !== true) throw malformed('it is not well-formed')
  try {
    return parser.parse(text)
  } catch (cause) {
    throw malformed('it is not well-formed', cause)
  }
}

function toElement(node: ParsedNode, depth: number): XmlElement[] {
  const name = Object.keys(node)[0]
  const content = name === undefined ? undefined : node[name]
  if (name === undefined || name === '#text' || !Array.isArray(content)) return []
  if (depth > XML_DEPTH_MAX) throw malformed('its elements are nested too deep')
  let text = ''
  const children: XmlElement[] = []
  for (const child of content) {
    if (child['#text'] !== undefined) {
      text += decodeEntities(String(child['#text']))
    } else if (child['#cdata'] !== undefined) {
      text += child['#cdata'].map((part: ParsedNode) => part['#text']).join('')
    } else {
      children.push(...toElement(child, depth + 1))
    }
  }
  return [{ name, text, children }]
}

const ENTITY = /&([^;&]{0,16});?/g

const NAMED: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
}

function decodeEntities(text: string): string {
  return text.includes('&') ? text.replace(ENTITY, decodeEntity) : text
}

function decodeEntity(whole: string, name: string): string {
  if (whole.endsWith(';')) {
    const named = Object.hasOwn(NAMED, name) ? NAMED[name] : undefined
    if (named !== undefined) return named
    const numeric = /^#(?:(\d{1,7})|x([0-9a-fA-F]{1,6}))$/.exec(name)
    if (numeric !== null) {
      const code = Number(numeric[1] ?? `0x${numeric[2]}`)
      const surrogate = code >= 0xd800 && code <= 0xdfff
      if (code > 0 && code <= 0x10ffff && !surrogate) return String.fromCodePoint(code)
    }
  }
  throw malformed('it has an entity that is not defined')
}
