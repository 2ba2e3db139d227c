// First generation: demux and mux with the names of pipelines, conditions behind the names of link.
pipy({
  _router: new algo.URLRouter({
    '/users/*': { name: 'users', target: os.env.USERS },
    '/orders/*': { name: 'orders', target: os.env.ORDERS },
  }),

  _service: null,
})

.listen(os.env.PORT)
  .decodeHttpRequest()
  .demux('route')
  .encodeHttpResponse()

.pipeline('route')
  .onMessageStart(
    e => (
      _service = _router.find(e.head.headers.host, e.head.path),
      _service && (e.head.headers['x-route'] = _service.name)
    )
  )
  .link(
    'forward', () => Boolean(_service),
    'not-found'
  )

.pipeline('forward')
  .mux('connection', () => _service.target)

.pipeline('connection')
  .encodeHttpRequest()
  .connect(
    () => _service.target
  )
  .decodeHttpResponse()

.pipeline('not-found')
  .replaceMessage(
    new Message({ status: 404 }, 'No service\n')
  )
