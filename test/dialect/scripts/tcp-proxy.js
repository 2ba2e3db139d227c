pipy({
  _target: undefined,
  _bytes: 0,
})

.listen(os.env.PORT)
  .onSessionStart(
    () => _target = os.env.TARGET
  )
  .onData(
    data => _bytes += data.size
  )
  .onSessionEnd(
    () => console.log(`received ${_bytes} bytes from ${__inbound.remoteAddress}`)
  )
  .connect(
    () => _target
  )
