import { TrafficError } from '../../../runtime/errors.ts'
import { isText, oneOf, optional, parseOptions } from '../../../runtime/options.ts'
import { authorizationOf, httpSinkOptions, nodeOption, nodesOf, tlsOf, urlsOf } from '../http-options.ts'
import type { SinkKind } from '../sink-kind.ts'
import { sinkOptions } from '../sink-options.ts'
import { Elasticsearch, type ElasticsearchPlan } from './elasticsearch.ts'
import { trafficTemplate } from './set-up.ts'

const isVersion = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 7
const isTemplate = (value: unknown): value is true | object =>
  value === true || (typeof value === 'object' && value !== null)

const options = {
  node: nodeOption,
  dataStream: optional('the name of a data stream', 'Where documents go. Either this or `index`.', isText),
  index: optional(
    'the name of an index or alias',
    'Where documents go. Either this or `dataStream`.',
    isText,
  ),
  template: optional(
    'true or an index template',
    'Puts an index template, and makes the data stream, before the first document, unless they are there: `true` for one that suits documents of traffic, or your own. By default the cluster must have what it takes; it has for `logs-*-*`.',
    isTemplate,
  ),
  pipeline: optional('the name of an ingest pipeline', 'Which ingest pipeline documents go through.', isText),
  compression: oneOf(
    ['gzip', 'none'],
    'gzip',
    'How bodies are packed: documents of traffic become a fifth or less. none: when the network costs less than the CPU.',
  ),
  compatibleWith: optional(
    'a major version of Elasticsearch',
    'Asks a newer server to behave as that version did. Not for OpenSearch.',
    isVersion,
  ),
  ...httpSinkOptions,
  ...sinkOptions,
} as const

export const elasticsearchKind: SinkKind = {
  name: 'elasticsearch',
  summary: 'Elasticsearch or OpenSearch, by bulk requests',
  doc: `Writes documents by \`_bulk\`, each created under its own id, so that one that was sent twice is stored once. A document that is stored, or was there already (409), is settled; one that the server cannot take (400) is put aside with its reason; one refused for lack of room (429), or with a server error, is written again after a pause that grows. A request that is too large (413) is halved; one that fails as a whole (429, 502, 503, 504, a reset, half an answer) is made again. Missing rights or indices (401, 403, 404) are told in the log, and documents wait until that is mended.`,
  options,
  example:
    "sink('elasticsearch', { node: 'https://es1:9200', dataStream: 'logs-traffic-default', apiKey: os.env.ES_API_KEY })",
  plan(given, owner) {
    const settings = parseOptions(options, given, owner)
    const { dataStream, index, template, compatibleWith } = settings
    const target = dataStream ?? index
    if (target === undefined || (dataStream !== undefined && index !== undefined))
      throw new TrafficError(
        'BadOption',
        `${owner} wants either dataStream or index, the name of where documents go`,
      )
    if (target === '' || target !== target.toLowerCase() || /[\s"*\\<|,>/?#]/.test(target))
      throw new TrafficError(
        'BadOption',
        `${owner} cannot write to ${JSON.stringify(target)}: names are lower case, without spaces and any of "*\\<|,>/?#`,
      )
    const urls = urlsOf(settings.node, owner, 'node')
    const tls = tlsOf(settings.tls, owner)
    const isDataStream = dataStream !== undefined
    const plan: ElasticsearchPlan = {
      target,
      pipeline: settings.pipeline,
      compresses: settings.compression === 'gzip',
      compatibleWith,
      setUp:
        template === undefined
          ? undefined
          : {
              target,
              isDataStream,
              template: template === true ? trafficTemplate(target, isDataStream) : template,
            },
      headers: { ...settings.requestHeaders, ...authorizationOf(settings, owner) },
    }
    const name = `elasticsearch ${urls.map(url => url.host).join(',')} ${target}`
    return {
      name,
      settings,
      open: ({ place }) => new Elasticsearch(name, nodesOf(urls, tls, settings), plan, place),
    }
  },
}
