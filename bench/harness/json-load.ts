/** A load whose requests have a body of 1 KiB of JSON. They are GETs, because an origin that serves files takes nothing else. */
export const jsonLoad = `
wrk.method = "GET"
wrk.headers["Content-Type"] = "application/json"
wrk.body = "{\\"items\\":[" .. string.rep('{"sku":"sku-1000","name":"Product","n":1},', 24) .. "0]}"
`
