/** Imported before all else: a package that uses the thread pool while it loads fixes its size. */
import { sizeThreadPool } from '@forebay/config/thread-pool'

sizeThreadPool()
