import { beside, mirrored } from '../harness/mirrored.ts'

/** A mirror that takes requests and never answers. */
export default mirrored(beside).listen(beside).dummy()
