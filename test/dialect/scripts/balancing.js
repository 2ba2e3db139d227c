// Second generation: demuxHTTP and muxHTTP with the names of pipelines, one expression with its configuration applied.
((config = { targets: os.env.TARGETS.split(',') }) =>

pipy({
  _balancer: new algo.RoundRobinLoadBalancer(config.targets),
  _target: '',
})

.listen(os.env.PORT, { maxConnections: 1000 })
  .demuxHTTP('request')

.pipeline('request')
  .handleMessageStart(
    () => _target = _balancer.select()
  )
  .muxHTTP('upstream', () => _target)
  .replaceMessageEnd(
    e => [new Data(` via ${config.targets.indexOf(_target)}`), e]
  )

.pipeline('upstream')
  .connect(() => _target, { connectTimeout: '3s', idleTimeout: 30 })

)()
