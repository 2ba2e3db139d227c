// A proxy in Pipy's dialect, in the manner of its first generation: context variables are bare names, pipelines are
// named by text, and the router and the balancers are asked in one expression.
//
//     API=localhost:8081,localhost:8082 WEB=localhost:8083 sluice examples/pipy/proxy.js

pipy({
  _router: new algo.URLRouter({
    '/api/*': new algo.RoundRobinLoadBalancer((os.env.API || 'localhost:8081,localhost:8082').split(',')),
    '/*': new algo.RoundRobinLoadBalancer((os.env.WEB || 'localhost:8083').split(',')),
  }),

  _target: '',
})

.listen(os.env.PORT || 6080)
  .decodeHttpRequest()
  .demux('request')
  .encodeHttpResponse()

.pipeline('request')
  .onMessageStart(
    e => _target = _router.find(e.head.headers.host, e.head.path).select()
  )
  .mux('connection', () => _target)

.pipeline('connection')
  .encodeHttpRequest()
  .connect(() => _target)
  .decodeHttpResponse()
