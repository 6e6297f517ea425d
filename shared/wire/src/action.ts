import { Failure } from '@forebay/base/failure'
import { Fields } from './fields.ts'
import { isJsonObject, type Json, parseJson } from './json.ts'

/** AIStore's common message: what to do, with which name and which arguments. */
export interface ActionMessage {
  readonly action: string
  readonly name: string
  readonly value: Json | undefined
}

/**
 * Reads an action message. Field names match in any case; absent and null fields are empty.
 *
 * @throws Failure `json-malformed` for what is no JSON object or says a key twice; `argument-invalid`
 * for a field of the wrong type.
 */
export function decodeAction(text: string): ActionMessage {
  const body = parseJson(text)
  if (!isJsonObject(body)) {
    throw new Failure('json-malformed', 'the body must be an object {"action", "name", "value"}')
  }
  const fields = new Fields(body)
  const action = fields.json('action')
  if (typeof action !== 'string') {
    throw new Failure('argument-invalid', 'action must be a string')
  }
  return { action, name: fields.text('name') ?? '', value: fields.json('value') }
}

/**
 * The value of an action that takes an object; absent counts as an empty one.
 *
 * @throws Failure `argument-invalid`
 */
export function valueFields(message: ActionMessage): Fields {
  const { value } = message
  if (value === undefined) return new Fields({}, 'value')
  if (!isJsonObject(value)) {
    throw new Failure('argument-invalid', `the value of ${message.action} must be an object`)
  }
  return new Fields(value, 'value')
}

/** A boolean of a query string as AIStore reads it: `1 t true y yes on`, in any case. */
export function parseQueryFlag(text: string | null | undefined): boolean {
  return text != null && /^(1|t|true|y|yes|on)$/i.test(text)
}
