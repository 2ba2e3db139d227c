/** Stands for the module that scripts import as 'sluice'. */

import { Builder } from './script-folder.ts'

export const sluice = (variables?: Record<string, unknown>): Builder => new Builder(variables)

/** Shared by all generations, as Sluice itself is. */
export const identity = {}
