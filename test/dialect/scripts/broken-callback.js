pipy({
  _settings: null,
})

.listen(os.env.PORT)
  .demuxHTTP('request')

.pipeline('request')
  .replaceMessage(
    e => (
      e.head.path === '/fail'
        ? new Message(_settings.greeting)
        : new Message('fine\n')
    )
  )
