// Copies of requests and responses are put together and go to a collector in batches.
pipy({
  _queue: [],       // one for all sessions: initial values are made once
  _request: null,
  _requestTime: 0,
})

.listen(os.env.PORT)
  .decodeHttpRequest()
  .demux('exchange')
  .encodeHttpResponse()

.pipeline('exchange')
  .fork('log-request')
  .mux('service', () => 'all')
  .fork('log-response')

.pipeline('log-request')
  .onMessageStart(
    () => _requestTime = Date.now()
  )
  .onMessage(
    '1k',
    e => _request = e
  )

.pipeline('log-response')
  .onMessage(
    '1k',
    e => _queue.push({
      request: {
        method: _request.head.method,
        path: _request.head.path,
        body: _request.body.toString(),
      },
      response: {
        status: e.head.status,
        body: e.body.toString(),
      },
      time: Date.now() - _requestTime,
    })
  )

.pipeline('service')
  .encodeHttpRequest()
  .connect(os.env.SERVICE)
  .decodeHttpResponse()

.task('50ms')
  .replaceMessage(
    () => (
      _queue.length === 0
        ? new SessionEnd
        : new Message(
            { method: 'POST', path: '/log', headers: { host: 'collector' } },
            JSON.encode(_queue.splice(0, 100))
          )
    )
  )
  .encodeHttpRequest()
  .connect(os.env.COLLECTOR)
  .decodeHttpResponse()
  .replaceMessage(
    () => new SessionEnd
  )
