/**
 * The context of the callback that runs right now on this thread.
 *
 * Whoever calls a script's callback sets `current` before the call and puts back what was there after it, also when
 * the callback throws. A dialect script's functions read it once, at their entry (see `dialect.ts`); what runs
 * later, after an await or in a timer, finds it undefined and goes on with the context its function began with.
 */
export const scope: { current: object | undefined } = { current: undefined }
