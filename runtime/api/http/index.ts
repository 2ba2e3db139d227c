export { type Compression, Directory, type DirectoryOptions, type FileRequestHead } from './directory.ts'
export { File } from './file.ts'
export { Match } from './match.ts'
