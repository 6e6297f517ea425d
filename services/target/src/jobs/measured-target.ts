import type {
  HeadAnswer,
  ListAnswer,
  ListRequest,
  ReadAnswer,
  ReadRequest,
  WriteAnswer,
  WriteRequest,
} from '@forebay/peer/target-port'
import type { ObjectContext } from '../objects/context.ts'
import { Target } from '../objects/target.ts'
import type { UserLoad } from './user-load.ts'

/** The target as doors see it: tells the pace of jobs what users do, and how long they wait. */
export class MeasuredTarget extends Target {
  readonly #users: UserLoad

  constructor(context: ObjectContext, users: UserLoad) {
    super(context)
    this.#users = users
  }

  override read(request: ReadRequest): Promise<ReadAnswer> {
    return this.#users.during(() => super.read(request), hasAskedStore)
  }

  override head(request: ReadRequest): Promise<HeadAnswer> {
    return this.#users.during(() => super.head(request), never)
  }

  override write(request: WriteRequest): Promise<WriteAnswer> {
    return this.#users.during(() => super.write(request), never)
  }

  override list(request: ListRequest): Promise<ListAnswer> {
    return this.#users.during(() => super.list(request), never)
  }
}

/** A miss resolves with its first byte; what the cache had took no time of the store. */
function hasAskedStore(answer: ReadAnswer): boolean {
  return answer.kind === 'found' && answer.cache.status === 'miss'
}

function never(): boolean {
  return false
}
