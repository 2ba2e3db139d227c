pipy()

.listen(6080)
  .decodeHttpRequest()
  .link(
    'anwser'
  )
  .encodeHttpResponse()

.pipeline('answer')
  .replaceMessage(new Message('Hi'))
