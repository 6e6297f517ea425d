import { isSelf, type Listener } from '@forebay/backend-port/is-self'
import { Failure } from '@forebay/base/failure'

/**
 * Refuses a backend endpoint that is one of our own listeners: every miss would come back to us.
 *
 * @throws Failure `backend-is-self`
 */
export async function checkEndpoint(
  endpoint: string | undefined,
  listeners: readonly Listener[],
): Promise<void> {
  if (endpoint === undefined || !(await isSelf(endpoint, listeners))) return
  throw new Failure('backend-is-self', `the backend endpoint ${endpoint} is this node itself`, {
    hint: "set the backend's endpoint to the origin, or this node's port to another one",
  })
}
