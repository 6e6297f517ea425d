/**
 * Names of metadata as Azure can hold them. They must be C# identifiers there; names of S3 are any
 * token. What an identifier cannot have is written as .NET's `XmlConvert.EncodeLocalName` writes it:
 * `two-words` is `two_x002d_words`. Names without such characters are the same on both sides.
 */
export function encodeMetadataName(name: string): string {
  return name.replace(ESCAPED, escapeCharacter)
}

/** Characters that no identifier has, a digit at its start, an underscore that looks like an escape. */
const ESCAPED = /[^a-z0-9_]|^[0-9]|_(?=x[0-9a-f]{4}_)/gi

function escapeCharacter(character: string): string {
  return `_x${character.charCodeAt(0).toString(16).padStart(4, '0')}_`
}

/** The name as S3 has it: lower case, because names are compared without case at Azure. */
export function decodeMetadataName(name: string): string {
  return name
    .toLowerCase()
    .replace(/_x([0-9a-f]{4})_/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}
