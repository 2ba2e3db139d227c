// Pipy's dialect: a file that is one expression. `pipy`, `Message` and the like are global names.
//
//     sluice examples/pipy/hello.js      curl localhost:6080

pipy()

.listen(os.env.PORT || 6080)
  .decodeHttpRequest()
  .replaceMessage(
    new Message('Hi, there!\n')
  )
  .encodeHttpResponse()
