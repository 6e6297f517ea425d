/** First line of every XML answer. */
export const XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

/** Namespace of the documents of the S3 API. */
export const S3_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
const SPECIAL = /[<>&"'\x00-\x1f\x7f\ufffe\uffff]/
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above.
const SPECIALS = /[<>&"'\x00-\x1f\x7f\ufffe\uffff]/g

const NAMED: Readonly<Record<string, string>> = {
  '<': '&lt;',
  '>': '&gt;',
  '&': '&amp;',
  '"': '&quot;',
  "'": '&#39;',
}

/**
 * Text as the content of an element. Control characters become references, as S3 writes them: line
 * ends survive, and the others are what `encoding-type=url` exists for.
 */
export function xmlText(value: string): string {
  return SPECIAL.test(value) ? value.replace(SPECIALS, reference) : value
}

/** An element with text; nothing when the value is absent. */
export function xmlElement(name: string, value: string | number | boolean | undefined): string {
  if (value === undefined) return ''
  return `<${name}>${typeof value === 'string' ? xmlText(value) : value}</${name}>`
}

/** A whole document of the S3 API. `content` is XML already. */
export function xmlDocument(root: string, content: string): string {
  return `${XML_DECLARATION}<${root} xmlns="${S3_NAMESPACE}">${content}</${root}>`
}

function reference(character: string): string {
  return NAMED[character] ?? `&#${character.charCodeAt(0)};`
}
