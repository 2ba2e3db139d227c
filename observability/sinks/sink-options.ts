import { count, duration, flag, isText, optional, type Resolved, size } from '../../runtime/options.ts'

/** Options that all kinds have. */
export const sinkOptions = {
  batchBytes: size(
    2 * 1024 * 1024,
    'Bytes of documents in one request, before they are packed. More than 2 MiB gains little. A server that finds them too large gets smaller ones from then on.',
  ),
  batchCount: count(5000, 'Documents in one request.', 1),
  batchInterval: duration(1000, 'A document is sent so long after it came, if not before.'),
  concurrency: count(
    4,
    'Requests in flight at most, of each thread. There are fewer while the server refuses: half as many after a refusal, one more after a round that it took.',
    1,
  ),
  bufferLimit: size(
    64 * 1024 * 1024,
    'Bytes of memory that documents may take until they are settled. More is dropped and counted; with `bufferPath`, more waits on disk.',
  ),
  bufferPath: optional(
    'the path of a folder',
    'Keeps documents on disk until they are settled, so that they survive a restart and an outage that is longer than the memory lasts. Each node needs its own folder. None by default: they wait in memory.',
    isText,
  ),
  bufferDiskLimit: size(1024 ** 3, 'Bytes of that folder, of each thread. More is dropped and counted.'),
  bufferSync: flag(
    false,
    'Waits for the disk (fdatasync) after each write to the buffer, and for the names of its files. Without it documents survive the end of the process, by SIGKILL as well, with it a loss of power.',
  ),
  retryDelay: duration(
    100,
    'The pause after a first failure. It doubles with each further one, with jitter.',
  ),
  maxRetryDelay: duration(30_000, 'The longest pause.'),
  maxTries: count(
    30,
    'How often a document that is refused by itself with a server error is tried before it is put aside: some minutes, with the pauses. Refusals for lack of room, and failures of whole requests, do not count.',
    1,
  ),
  deadLetters: optional(
    'the path of a file',
    'Where documents go that will never be taken: one JSON line each, with time, id, reason and document. None by default: their ids and reasons are logged, and they are counted.',
    isText,
  ),
  deadLetterFileSize: size(100 * 1024 * 1024, 'Puts that file aside when it would become larger.'),
  deadLetterFileCount: count(5, 'Files of dead letters kept that were put aside.'),
} as const

export type SinkSettings = Resolved<typeof sinkOptions>
