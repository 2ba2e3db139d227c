import { type Place, placeId } from '../membership/member.ts'

/** Where a thread takes what other nodes send to it, in one of its lives. */
export const threadSubject = (cluster: string, place: Omit<Place, 'node'>): string =>
  `sluice.${cluster}.to.${placeId(place)}`

/** Where a sender hears what became of what it sent. */
export const answerSubject = (cluster: string, sender: string): string => `sluice.${cluster}.re.${sender}`

/** Where the actor kernel of a thread hears those of other nodes, in one of its lives. */
export const kernelSubject = (cluster: string, place: string): string => `sluice.${cluster}.kernel.${place}`
