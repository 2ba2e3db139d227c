/** Which protocol a stream speaks, told from its first bytes. */

export type { DetectedProtocol } from './protocol-detector.ts'
export { ProtocolDetector } from './protocol-detector.ts'
