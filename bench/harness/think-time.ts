/**
 * For a load of a closed loop: each connection waits so long before its next request. What a server costs more than another is
 * told at one rate of both: the slower of two that go as fast as they can finds its peers asleep more often, and waking them
 * is charged to it (some 3 us of a logged exchange, 2026-11).
 */
export const thinkTime = (ms: number): string => `
function delay() return ${ms} end
`
