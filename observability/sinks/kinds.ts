import { elasticsearchKind } from './elasticsearch/kind.ts'
import { fileKind } from './file.ts'
import { httpKind } from './http.ts'
import { otlpKind } from './otlp-logs.ts'
import type { SinkKind } from './sink-kind.ts'
import { stdoutKind } from './stdout.ts'

/** The one table of sinks: scripts, the reference and the tests read it. */
export const sinkKinds: readonly SinkKind[] = [elasticsearchKind, fileKind, httpKind, otlpKind, stdoutKind]
