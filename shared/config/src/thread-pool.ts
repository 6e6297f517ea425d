/**
 * Threads for what blocks: four operations on each of four disks, so that one hung disk leaves threads
 * for the others. Node's default is four in all.
 */
const THREADS = 16

/** Sizes Node's thread pool, unless the operator did; must run before anything uses the pool. */
export function sizeThreadPool(): void {
  process.env['UV_THREADPOOL_SIZE'] ??= String(THREADS)
}
