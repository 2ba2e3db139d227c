pipy()

.listen(6080)
  .decodeHttpRequst()
  .encodeHttpResponse()
