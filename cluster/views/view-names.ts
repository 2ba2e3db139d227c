/** The subcommands that look at a cluster. A script of such a name is run as './nodes'. */
const viewNames = ['nodes', 'actors', 'edges', 'streams', 'dead-letters'] as const

export const isViewCommand = (name: string | undefined): boolean => viewNames.some(each => each === name)
