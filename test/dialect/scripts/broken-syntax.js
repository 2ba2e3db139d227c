pipy({
  _a: 1,
})

.listen(6080)
  .onData(
    () => { _a = ; }
  )
