// Says what it was asked: the head of each request and its body.
pipy({
  _visits: 0,
})

.listen(os.env.PORT)
  .decodeHttpRequest()
  .onMessageStart(
    () => _visits++
  )
  .replaceMessage(
    e => (
      new Message(
        {
          status: e.head.method === 'POST' ? 201 : 200,
          headers: { 'content-type': 'text/plain', 'x-visits': `${_visits}` },
        },
        `${e.head.method} ${e.head.path} ${e.body.toString()}`
      )
    )
  )
  .encodeHttpResponse()
