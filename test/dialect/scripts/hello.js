pipy()

.listen(os.env.PORT)
  .decodeHttpRequest()
  .replaceMessage(
    new Message('Hi, there!\n')
  )
  .encodeHttpResponse()
