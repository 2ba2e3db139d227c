export type { BulkCall, Fault } from './faults.ts'
export {
  eachItemAtFirst,
  everyNthItem,
  everyThirdItem,
  halfAnAnswer,
  itemsWhere,
  nonsense,
  resetBeforeAnswer,
  resetHalfWay,
  silence,
  slow,
  whole,
} from './faults.ts'
export { type ElasticsearchOptions, type SeenRequest, StrictElasticsearch } from './server.ts'
