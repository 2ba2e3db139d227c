/** Number of routes that a routing proxy knows. */
export const ROUTES = 10_000

/** A load that asks for one host in ten, in turn, so that neither cache nor branch prediction sees one name only. */
export const hostsOfLoad = `
local requests = {}
init = function(args)
  for i = 0, 999 do
    requests[i] = wrk.format("GET", nil, { Host = "svc-" .. (i * 10) .. ".shop.example" })
  end
end
local at = 0
request = function()
  at = (at + 1) % 1000
  return requests[at]
end
`
